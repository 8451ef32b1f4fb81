"""The express lane: routes that uvicorn forwards before there is an ASGI cycle. Experimental.

    uvicorn app:app --http forst_asgi.express:Protocol

A request on a route that says `express = true` is sent to the sidecar from within uvicorn's own parser, and
an answer that is whole as soon as it begins is written as it comes: no scope passes through an app, no task
runs, and head and body leave in one write. Everything else takes the usual way:

    before something was sent     uvicorn makes the ASGI cycle that it would have made
    after something was sent      an ASGI cycle carries the exchange on, with the middleware's own forwarder

So there is one place for limits, failures, streams and disconnects, and it is not in here.

    front.py      whether the middleware is what the server calls, and what uvicorn puts in front of it
    lane.py       which requests may take the lane
    passage.py    one request on it
    protocol.py   uvicorn's protocol, with the lane in it
    server.py     the versions of uvicorn that it fits
    wire.py       the response as bytes
"""

from forst_asgi.express.protocol import Protocol
from forst_asgi.express.server import check

check()

__all__ = ["Protocol"]
