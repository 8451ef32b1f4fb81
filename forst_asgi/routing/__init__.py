"""Routing: from an ASGI scope to a configured route, and to the request target for the upstream.

Pure: no I/O, no clock, no state that changes. `table` holds the rules in plain words.
"""

from forst_asgi.routing.match import RouteMatch
from forst_asgi.routing.route import Route, RouteSpec
from forst_asgi.routing.table import RouteTable
from forst_asgi.routing.template import TemplateError

__all__ = ["Route", "RouteMatch", "RouteSpec", "RouteTable", "TemplateError"]
