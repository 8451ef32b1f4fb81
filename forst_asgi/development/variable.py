"""The environment variable that says whether somebody is at work on the sidecar."""

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "FORST_DEV"
"""Set by `forst-asgi dev` for the servers that it starts. The sidecar does not get it."""


def is_on(environ: Mapping[str, str]) -> bool:
    """Tell whether it says so; "0" and "" mean no."""
    return environ.get(VARIABLE, "") not in {"", "0"}
