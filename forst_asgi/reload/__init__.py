"""The configuration file, read again while it is in force.

    watch       notices that the file is another      hangup     SIGHUP, where nobody else has use for it
    reception   `forst-asgi reload` reaches every worker here
        succession   reads, checks, builds beside, swaps one reference, sees the one before off
            widening     what must not happen by accident: a guard that is dropped, a route that takes more

Whatever goes wrong, what is in force stays in force.
"""

from forst_asgi.reload.reception import ask_workers
from forst_asgi.reload.succession import Succession

__all__ = ["Succession", "ask_workers"]
