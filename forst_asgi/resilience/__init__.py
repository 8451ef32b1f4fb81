"""What keeps a failure from becoming many: a circuit breaker, which says whether to ask an upstream."""

from forst_asgi.resilience.breaker import Breaker, BreakerPolicy, BreakerState

__all__ = ["Breaker", "BreakerPolicy", "BreakerState"]
