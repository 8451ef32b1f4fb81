"""What keeps a failure from becoming many.

breaker.py      whether it is worth asking an upstream at all
"""

from forst_asgi.resilience.breaker import Breaker, BreakerPolicy, BreakerState

__all__ = ["Breaker", "BreakerPolicy", "BreakerState"]
