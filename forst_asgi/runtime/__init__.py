"""Configuration made into live parts: the one place that knows every mechanism."""

from forst_asgi.runtime.running import running_sidecars
from forst_asgi.runtime.runtime import RouteState, Runtime

__all__ = ["RouteState", "Runtime", "running_sidecars"]
