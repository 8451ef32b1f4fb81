"""The states of an HTTP/1.1 connection: a table that cannot leak one answer into another.

A connection serves one exchange at a time: a request goes out, its response comes in. Both halves run
side by side (the response may begin, and even end, while the request is still being sent), but only the
response half has states worth a table; the request half is the flag `_is_sent`.

    state     meaning                                         what may arrive from the upstream
    IDLE      in the pool, or handed out and not yet used     nothing: any byte closes the connection
    WAITING   a request went out, no final head came          1xx heads, then one final head
    BODY      the final head came                             body bytes, then the end of the message
    ENDED     the message is complete                         nothing: any byte closes the connection
    CLOSED    never used again                                nothing is read any more

`NEXT` below is the whole of it. There is one way back to IDLE, `RELEASE`, and it is taken only when all
of these hold; each is a cross-user leak when it is forgotten:

- the response is complete by its own framing (not by end of file, not cut off);
- every byte of the request was sent (a body shorter than its Content-Length would swallow the next
  request's head);
- no byte came after the end of the message (it would be read as the next client's response);
- the response is HTTP/1.1 and did not say `Connection: close` (RFC 9112 section 9.3).
"""

from enum import IntEnum
from typing import Final


class State(IntEnum):
    """Where the response half of a connection stands."""

    IDLE = 0
    WAITING = 1
    BODY = 2
    ENDED = 3
    CLOSED = 4


class Signal(IntEnum):
    """What moves a connection from state to state."""

    REQUEST = 0
    INTERIM = 1
    HEAD = 2
    END = 3
    RELEASE = 4
    CLOSE = 5


NEXT: Final[dict[tuple[int, int], State]] = {
    (State.IDLE, Signal.REQUEST): State.WAITING,
    (State.WAITING, Signal.INTERIM): State.WAITING,
    (State.WAITING, Signal.HEAD): State.BODY,
    (State.BODY, Signal.END): State.ENDED,
    (State.ENDED, Signal.RELEASE): State.IDLE,
    (State.IDLE, Signal.CLOSE): State.CLOSED,
    (State.WAITING, Signal.CLOSE): State.CLOSED,
    (State.BODY, Signal.CLOSE): State.CLOSED,
    (State.ENDED, Signal.CLOSE): State.CLOSED,
}

# Module constants: an attribute look-up on an Enum class costs more than the comparison it is for.
IDLE, WAITING, BODY, ENDED, CLOSED = State

# The columns of the table, one for each signal: `self._state = HEAD[self._state]`. A signal that a state
# does not know raises KeyError, which is a defect of ours.
REQUEST, INTERIM, HEAD, END, RELEASE, CLOSE = (
    {before: after for (before, sent), after in NEXT.items() if sent is signal} for signal in Signal
)
