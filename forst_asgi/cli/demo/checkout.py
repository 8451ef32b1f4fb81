"""Where the demo is, and whether what it needs is installed."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from forst_asgi.errors import ForstError

_ELSEWHERE: Final = """\
there is no demo_app/ here ({start}) or in a folder above. The demo lives in the repository, not in the \
installed package. To get it:

    git clone https://github.com/forst-asgi/forst-asgi
    cd forst-asgi
    pip install -e '.[demo]'
    forst-asgi demo"""


class DemoError(ForstError):
    """The demo cannot be run; the text says why and what to do."""


def find_checkout(start: Path) -> Path:
    """Return the folder that holds demo_app/: `start` or one above it.

    Raises:
        DemoError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "demo_app" / "sidecar" / "go.mod").is_file():
            return folder
    raise DemoError(_ELSEWHERE.format(start=start))


def require(modules: Iterable[str] = ("fastapi", "python_multipart")) -> None:
    """Make sure that the demo's Python side can be imported.

    Raises:
        DemoError: a module is missing.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise DemoError(
            f"the demo needs what is not installed: {', '.join(missing)}; pip install 'forst-asgi[demo]'"
        )
