"""Configuration made into live parts: the one place that knows every mechanism."""

from forst_asgi.runtime.express import problem_in_front
from forst_asgi.runtime.running import running_sidecars
from forst_asgi.runtime.runtime import RouteState, Runtime
from forst_asgi.runtime.upstream import Upstream

__all__ = ["RouteState", "Runtime", "Upstream", "problem_in_front", "running_sidecars"]
