"""`forst-asgi doctor`: is everything there, and is nothing in the way?

finding.py      one line of the result: ok, warn or fail, with the remedy
versions.py     Python, packages, what makes the event loop fast
go.py           the Go toolchain
places.py       sockets and ports of the upstreams
processes.py    which processes run: sidecars without a parent, servers
servers.py      flags of the server that do not go with a sidecar
command.py      puts them together
"""

from forst_asgi.cli.doctor.command import doctor

__all__ = ["doctor"]
