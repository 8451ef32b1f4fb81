"""The numbered behaviours of forwarding, in our own words: the numbers by which tests are named.

A number never changes its meaning. A new behaviour gets the next free one.
"""

from typing import Final, NamedTuple


class Item(NamedTuple):
    """One behaviour.

    Attributes:
        title: what it is about.
        text: what has to hold.
    """

    title: str
    text: str


SECTIONS: Final[dict[str, dict[int, Item]]] = {
    "Target": {
        1: Item("Method", "The method passes byte for byte. CONNECT and TRACE are answered with 405."),
        2: Item(
            "Target bytes",
            "What goes upstream is `raw_path`, `?` and `query_string` as they came, never an encoding of the "
            "decoded `path`. Where a server gives no `raw_path`, it is the UTF-8 quoting of `path`.",
        ),
        3: Item(
            "Bytes that no target may hold",
            "A byte up to 0x20, 0x7F, a byte from 0x80 on, or `#` is answered with 400, and nothing is sent.",
        ),
        4: Item(
            "Both sides read one path",
            "What is forwarded, Go's `ServeMux` routes to the pattern that was meant; what falls through, it "
            "would not have. So under a forwarded route dot segments in any encoding, `//`, `%2f`, `%5c`, "
            "`\\`, `%00`, double encoding and overlong UTF-8 are answered with 400, unless the route says "
            '`encoded_path = "pass"`.',
        ),
        5: Item(
            "Prefixes",
            "`/api` is neither `/apiary` nor `/API`. `root_path` and a mount's path are removed exactly "
            "once. A rewrite makes neither `//` nor an empty path.",
        ),
        6: Item("Origin-form", "The upstream gets a path; `*` and `http://...` are never passed on."),
        7: Item(
            "Falling through",
            "The app gets the very scope, `receive` and `send` objects, with no byte of the body taken.",
        ),
        8: Item("Location", "A prefix that was removed is put back into Location and Content-Location."),
        9: Item(
            "HEAD, OPTIONS, preflight",
            "A route with GET takes HEAD. OPTIONS is the app's unless the route lists it, so that a CORS "
            "preflight is answered by the app's own CORS middleware.",
        ),
    },
    "Request head": {
        10: Item(
            "Hop-by-hop fields",
            "They stay behind, with all that Connection nominates in any of its lines. Nomination removes "
            "neither Host, nor Content-Length, nor what we add.",
        ),
        11: Item("One Host", "No Host, or two, is answered with 400. The upstream's `host` may replace it."),
        12: Item(
            "Order and bytes",
            "Fields keep their order, their duplicates and bytes above 0x7F. Cookie lines that HTTP/2 has "
            "split are joined with `; `.",
        ),
        13: Item(
            "Who is asking",
            "Forwarded, X-Forwarded-* and X-Real-IP of a client are replaced; those of a trusted proxy are "
            "added to. IPv6 is quoted. A client on a Unix socket has no address.",
        ),
        14: Item(
            "Reserved names",
            "`x-forst-*` of a client is dropped in any case and with `_`; so is every other name with `_`.",
        ),
        15: Item(
            "Nothing invented",
            "No User-Agent and no Accept-Encoding is added. Via is added to, and finds loops. Expect stays "
            "behind, and no `100 Continue` is caused before routing and auth have let the request pass.",
        ),
        16: Item(
            "Injection and size",
            "CR, LF or NUL in a value that auth adds reaches nobody. Too many fields, or too large ones, are "
            "answered with 431.",
        ),
    },
    "Request body": {
        17: Item(
            "Framing",
            "A GET without a body has neither Content-Length nor Transfer-Encoding; an empty POST has "
            "`Content-Length: 0`. Never both fields; the client's Transfer-Encoding is not believed.",
        ),
        18: Item(
            "Length that is not kept",
            "A body shorter or longer than its Content-Length is answered with 400, and the upstream's "
            "connection is closed.",
        ),
        19: Item("Size limit", "A body over `max_body` is a 413, by its Content-Length or by what comes."),
        20: Item(
            "Streaming up",
            "The first piece is upstream before the client has sent the last. A body of any size takes flat "
            "memory.",
        ),
        21: Item(
            "Early answers",
            "A final answer that comes amid an upload is relayed, even if writing fails; the connection is "
            "not used again.",
        ),
        22: Item(
            "Client gone mid-upload", "The upstream sees an end without a last chunk, never a whole body."
        ),
    },
    "Response": {
        23: Item(
            "Interim responses",
            "A 1xx never becomes the response; their number is limited. 103 passes only through the server's "
            "own extension.",
        ),
        24: Item(
            "Junk",
            "A 101 that nobody asked for, a status outside 200 to 599, both framings or two lengths, another "
            "coding than chunked, folded lines, NUL, bare LF, a head over the limit: 502, and the connection "
            "is closed.",
        ),
        25: Item(
            "No body",
            "HEAD keeps Content-Length and has no body; 204 and 304 have none. What comes instead is "
            "nobody's response.",
        ),
        26: Item(
            "Response fields",
            "Hop-by-hop and nominated fields stay behind, Set-Cookie lines stay apart and in order. The "
            "client gets one Date and at most one Server.",
        ),
        27: Item(
            "Where a message ends",
            "A body without a length ends with its connection, which is not used again. Bytes after the end "
            "of a message, or on an idle connection, are never another client's response.",
        ),
        28: Item(
            "Torn responses",
            "What breaks off after its head is cut off for the client, too: it never has a clean end.",
        ),
        29: Item(
            "Failures",
            "Before the head a failure is a 502, 503 or 504 with Proxy-Status and a short JSON document that "
            "tells nothing internal.",
        ),
        30: Item(
            "Trailers and bytes",
            "Trailers pass through the server's extension or not at all, and are never fields. Body, "
            "Content-Encoding, ETag and 206 are left as they are.",
        ),
    },
    "Streams and disconnects": {
        31: Item("Streaming down", "The head leaves before the first body byte; each event passes at once."),
        32: Item(
            "Backpressure",
            "A slow client pauses the upstream, a slow upstream pauses the client, others go on, memory is "
            "bounded. An echo of any size does not deadlock.",
        ),
        33: Item(
            "Client gone",
            "Before the first byte, amid the body, on an idle stream: Go's request context is cancelled.",
        ),
        34: Item(
            "`send` fails", "An OSError from `send` is a client that left, not an upstream that failed."
        ),
        35: Item(
            "Cancellation anywhere",
            "The connection is closed, its slot is free, no task is left: under each server, each loop, and "
            "middleware around ours.",
        ),
    },
    "Time": {
        36: Item(
            "Limits",
            "Connecting, waiting for a connection, writing, the first byte, silence amid a body and the "
            "whole call have limits of their own. Event streams and WebSockets are exempt from the last.",
        ),
    },
    "Keep-alive and retry": {
        37: Item("Idle connections", "They expire before Go's own limit; one that has ended is not used."),
        38: Item(
            "Retry",
            "Only when the connection had been used before, no byte came back, the request can be repeated "
            "and the client has nothing of an answer.",
        ),
        39: Item(
            "At most once",
            "A POST reaches Go at most once. There is one retry at most, within a budget, and none after a "
            "5xx, a timeout or junk.",
        ),
        40: Item(
            "Close", "HTTP/1.0 and `Connection: close` end a connection. Loops and processes share none."
        ),
    },
    "Overload": {
        41: Item(
            "Too much at once",
            "Connections and waiting requests are limited; what is over gets a 503 with Retry-After at once, "
            "and so does a request for a sidecar that is known to be gone.",
        ),
    },
    "WebSocket": {
        42: Item(
            "Opening",
            "The upstream's handshake comes before accept; its refusal is the client's. Sec-WebSocket-Accept "
            "is verified, a subprotocol comes from the offer.",
        ),
        43: Item(
            "Messages and ends",
            "Fragments are put together, text is UTF-8, sizes are limited, pings are answered. Codes and "
            "reasons pass both ways, a vanished side ends the other, slow sides pause the other.",
        ),
    },
    "Security": {
        44: Item(
            "Auth",
            "A route's callable runs before anything is sent, sees what is forwarded, and what it raises "
            "forwards nothing.",
        ),
        45: Item(
            "No byte of a request chooses a host",
            "Upstreams are those of the configuration, and redirects are relayed, never followed.",
        ),
    },
}

ITEMS: Final = {number: item for section in SECTIONS.values() for number, item in section.items()}
