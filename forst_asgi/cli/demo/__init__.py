"""`forst-asgi demo`: build, start, try.

The parts, in the order in which they come into play:

- command.py: the order of things
- checkout.py: where the demo is, and whether what it needs is installed
- toolchain.py: the Go toolchain, and building with it
- ports.py, server.py: two servers in processes of their own; serve.py is what runs in them
- samples.py, trial.py: the requests; making them, timing and comparing
- report.py: what is shown
"""

from forst_asgi.cli.demo.command import demo

__all__ = ["demo"]
