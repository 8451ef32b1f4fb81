"""Which versions are installed, and which event loop and parser a server will use."""

import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

from forst_asgi.cli.doctor.finding import Finding, ok, warn

_SERVERS = ("uvicorn", "hypercorn", "granian", "gunicorn")
_SHOWN = ("starlette", "fastapi", "pydantic", *_SERVERS)


def installed(name: str) -> str | None:
    """Return the version of a distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_versions(look: Callable[[str], str | None] = installed) -> Iterator[Finding]:
    """Tell what is installed.

    Args:
        look: gives the version of a distribution.
    """
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield ok("forst-asgi", f"{look('forst-asgi') or 'not installed as a package'}, {python}, {sys.platform}")
    found = [(name, look(name)) for name in _SHOWN]
    yield ok("packages", ", ".join(f"{name} {number}" for name, number in found if number is not None))
    if not any(number for name, number in found if name in _SERVERS):
        yield warn("server", "no ASGI server that is known here", "pip install uvicorn")
    yield from _speed(look)


def _speed(look: Callable[[str], str | None]) -> Iterator[Finding]:
    remedy = "pip install 'forst-asgi[standard]'"
    if number := look("uvloop"):
        yield ok("event loop", f"uvloop {number}; uvicorn takes it unless told otherwise")
    else:
        yield warn("event loop", "asyncio's own, for uvloop is not installed: slower", remedy)
    if number := look("httptools"):
        yield ok("http parser", f"httptools {number}")
    else:
        yield warn("http parser", "httptools is not installed: uvicorn uses h11, which is slower", remedy)
