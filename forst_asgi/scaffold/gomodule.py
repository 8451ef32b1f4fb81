"""The Go module `forstsidecar`, which every scaffold brings along as a copy.

It is published in no registry yet, so `go build` could not fetch it. A copy in the project, with a `replace`
line in its go.mod, builds anywhere: in CI, in a container, without network. The import path is the real one;
once the module is published, the folder and the line can go.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from forst_asgi.scaffold.openapi import ScaffoldError

FOLDER: Final = "forst-asgi"
"""Where the copy lies in the scaffold."""

_INSTALLED: Final = Path(__file__).parents[1] / "_go"
_CHECKOUT: Final = Path(__file__).parents[2] / "go"


def sources(places: tuple[Path, ...] = (_INSTALLED, _CHECKOUT)) -> Mapping[str, str]:
    """Return the module's files without its tests, by their paths in it.

    Args:
        places: where it may be: inside the installed package, or beside it in a checkout.

    Raises:
        ScaffoldError: it is in none of them.
    """
    for place in places:
        if (place / "go.mod").is_file():
            return {
                path.relative_to(place).as_posix(): path.read_text(encoding="utf-8") for path in _files(place)
            }
    looked = ", ".join(map(str, places))
    raise ScaffoldError(f"the Go module is missing from this installation of forst-asgi; looked in {looked}")


def _files(place: Path) -> Iterator[Path]:
    yield place / "go.mod"
    for path in sorted((place / "forstsidecar").glob("*.go")):
        if not path.name.endswith("_test.go"):
            yield path
