"""Finding the app that a command is about."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from forst_asgi.cli.inspection import importable
from forst_asgi.runtime.named import resolve
from forst_asgi.scaffold.openapi import ScaffoldError

GUESSES: Final = ("app:app", "main:app", "app.main:app", "src.main:app", "api:app", "asgi:app", "server:app")


def load_app(named: str | None, folder: Path) -> Any:
    """Import the app, which must describe itself as FastAPI's do.

    Args:
        named: "module:name"; None to look in the usual places.
        folder: where the app's modules are.

    Raises:
        ScaffoldError: it cannot be imported, or has no `openapi()`.
    """
    with importable(folder):
        name = named or _guess(folder)
        if not name.partition(":")[2]:
            raise ScaffoldError(f'"{name}" names no app; expected "module:name", such as "app.main:app"')
        try:
            found = resolve(name)
        except (Exception, SystemExit) as error:  # the latter of a script that was not meant to be imported
            raise ScaffoldError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(getattr(found, "openapi", None)):
        raise ScaffoldError(
            f"{name} is a {type(found).__name__}, which has no openapi(); expected a FastAPI app"
        )
    return found


def describe(app: Any) -> Mapping[str, Any]:
    """Return the app's OpenAPI document.

    Raises:
        ScaffoldError: the app cannot make it.
    """
    try:
        document: Mapping[str, Any] = app.openapi()
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ScaffoldError(
            f"the app cannot describe itself: {type(error).__name__}: {reason}\n"
            "/openapi.json of the running app fails likewise; its traceback shows where"
        ) from error
    return document


def _guess(folder: Path) -> str:
    for guess in GUESSES:
        module_name = guess.partition(":")[0]
        path = folder.joinpath(*module_name.split("."))
        is_here = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
        if is_here and find_spec(module_name) is not None:
            return guess
    raise ScaffoldError(
        f"which app? Say --app module:name; there is none of {', '.join(GUESSES)} in {folder}"
    )


def described_routes(app: Any) -> Mapping[str, str]:
    """Return the app's path templates by the form that OpenAPI has of them, without convertors."""
    return {
        route.path_format: route.path
        for route in getattr(app, "routes", ())
        if hasattr(route, "path_format") and hasattr(route, "path")
    }
