"""What a configuration names instead of holding: callables of the app's, packages that are extras."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from forst_asgi.config import ConfigError


def resolve(name: str) -> Any:
    """Import what "module:attribute" names; the attribute may have dots.

    Raises:
        BaseException: whatever the import of the module raises, or AttributeError.
    """
    module_name, _, path = name.partition(":")
    found: Any = importlib.import_module(module_name)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def import_callable(name: str, where: str) -> Callable[..., Any]:
    """Import a callable of the app's.

    Args:
        name: "module:attribute".
        where: what to call the place that names it in an error.

    Raises:
        ConfigError: there is no such module or attribute, or it cannot be called.
    """
    try:
        found: object = resolve(name)
    except KeyboardInterrupt:
        raise
    except Exception as error:
        raise ConfigError(f"{where}: cannot be imported: {error}") from error
    except BaseException as error:  # SystemExit, of a script that was not meant to be imported
        raise ConfigError(f"{where}: cannot be imported: it raises {error!r}") from error
    if not callable(found):
        raise ConfigError(f"{where}: is a {type(found).__name__}, expected something to call")
    return found


def require(library: str, who: str, extra: str, package: str | None = None) -> None:
    """Make sure that the library of an extra is there.

    Args:
        library: the name that it is imported by.
        who: what needs it, for the error.
        extra: the extra of ours that installs it.
        package: the name that it is installed by; the same when left out.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec(library) is None:
        raise ConfigError(
            f"{who} needs the package {package or library!r}; "
            f"install it with: pip install 'forst-asgi[{extra}]'"
        )
