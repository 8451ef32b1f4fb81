"""What only somebody at work on the sidecar gets to see; nothing of it is there unless FORST_DEV says so.

    trouble   what keeps the program in the source from being the one that answers; pure
    page      that as HTML and as a problem document; pure
    app       the ASGI app around a route's forwarder that answers with it, or adds a field to answers

Whether it is wanted is asked once, when a runtime is built; without it there is no trace of it at a route.
"""

from forst_asgi.development.app import Mentioning
from forst_asgi.development.trouble import Trouble, trouble_of
from forst_asgi.development.variable import VARIABLE, is_on

__all__ = ["VARIABLE", "Mentioning", "Trouble", "is_on", "trouble_of"]
