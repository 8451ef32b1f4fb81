"""Configuration made into live parts: the one place that knows every mechanism."""

from forst_asgi.runtime.express import problem_in_front
from forst_asgi.runtime.running import running_sidecars
from forst_asgi.runtime.runtime import RouteState, Runtime

__all__ = ["RouteState", "Runtime", "problem_in_front", "running_sidecars"]
