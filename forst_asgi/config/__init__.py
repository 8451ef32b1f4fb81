"""What the user wrote, read from a file or built in Python, and checked.

    config = load()                                  # forst.toml, or [tool.forst] in pyproject.toml
    config = Config(sidecar=UpstreamConfig(...), routes=[RouteConfig(...)])

The models are frozen. Durations on them are seconds, sizes are bytes, paths are absolute.
"""

from forst_asgi.config.address import Address
from forst_asgi.config.loader import load
from forst_asgi.config.models import (
    ConditionConfig,
    Config,
    FlagsConfig,
    LogsConfig,
    OpenFeatureConfig,
    OverrideConfig,
    ReloadConfig,
    RouteConfig,
    RuleConfig,
    TlsConfig,
    UpstreamConfig,
)
from forst_asgi.config.origin import working_folder
from forst_asgi.errors import ConfigError, Mistake

__all__ = [
    "Address",
    "ConditionConfig",
    "Config",
    "ConfigError",
    "FlagsConfig",
    "LogsConfig",
    "Mistake",
    "OpenFeatureConfig",
    "OverrideConfig",
    "ReloadConfig",
    "RouteConfig",
    "RuleConfig",
    "TlsConfig",
    "UpstreamConfig",
    "load",
    "working_folder",
]
