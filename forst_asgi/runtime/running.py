"""Where to find the sidecars that servers on this host run from a configuration."""

from collections.abc import Iterator
from pathlib import Path

from forst_asgi.config import Config
from forst_asgi.runtime import convert
from forst_asgi.supervisor import find_homes


def running_sidecars(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield upstreams by name, with the directory that the workers of a server meet in.

    Several servers that run from one file have a directory each.
    """
    source = convert.source(config)
    for name, upstream in convert.all_upstreams(config).items():
        if upstream.command is not None:
            for home in find_homes(convert.home_key(source, name, upstream)):
                yield name, home
