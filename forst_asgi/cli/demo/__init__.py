"""`forst-asgi demo`: build, start, try.

command.py      the order of things
checkout.py     where the demo is              toolchain.py    the Go toolchain, and building with it
server.py       a server in a process of its own, and serve.py, what runs in it
samples.py      the requests                   trial.py        making them, timing and comparing
report.py       what is shown
"""

from forst_asgi.cli.demo.command import demo

__all__ = ["demo"]
