"""The id under which both sides of a request log it.

A client's `x-request-id` is taken when it is harmless to log and to pass on, else one is made. Most
requests never need it, so it is worked out when somebody asks: binding it costs one small object.

The context variable's name has structlog's prefix, which is how `structlog.contextvars.merge_contextvars`
finds variables; an app that uses it has `request_id` in its own log lines without doing anything.
"""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from forst_asgi.headers import REQUEST_ID
from forst_asgi.types import Scope

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

_PREFIX_BYTES = 6


class _Sequence:
    """Process-wide unique ids: a random part per process, then a count."""

    def __init__(self) -> None:
        self._renew()
        # Without this, workers forked from one parent would hand out the same ids.
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.prefix = os.urandom(_PREFIX_BYTES).hex().encode()
        self.count = itertools.count(1)


_sequence = _Sequence()


class RequestId:
    """The id of one request, worked out at its first use.

    Made by `of`. Without an `__init__`: that would be a tenth of what a request costs that falls through,
    so the middleware sets `scope` itself.

    Attributes:
        scope: the ASGI scope of the request; None once the id is known.
    """

    __slots__ = ("_value", "scope")

    _value: bytes
    scope: Scope | None

    @classmethod
    def of(cls, scope: Scope) -> "RequestId":
        """Return the id of the request with that scope."""
        request_id = cls()
        request_id.scope = scope
        return request_id

    @property
    def value(self) -> bytes:
        """The id as it goes on the wire."""
        if self.scope is not None:
            self._value = _taken(self.scope) or self.make()
            self.scope = None
        return self._value

    def make(self) -> bytes:
        """Make an id, for a request that is known to bring none."""
        if self.scope is not None:
            self._value = b"%b-%x" % (_sequence.prefix, next(_sequence.count))
            self.scope = None
        return self._value

    def __str__(self) -> str:
        return self.value.decode("ascii")

    def __repr__(self) -> str:
        return repr(str(self))

    def __structlog__(self) -> str:
        """Return what structlog's JSONRenderer writes."""
        return str(self)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, RequestId | str) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


def _taken(scope: Scope) -> bytes | None:
    values = [value for name, value in scope["headers"] if name == REQUEST_ID]
    if len(values) == 1 and _ACCEPTABLE.fullmatch(values[0]):
        return bytes(values[0])
    return None


current: ContextVar[RequestId] = ContextVar("structlog_request_id")
"""The id of the request that the running task works on."""

bind = current.set
"""Makes an id the running task's own."""


@contextmanager
def bound(request_id: RequestId) -> Iterator[None]:
    """Bind an id for a while, where there is no task whose own it could be."""
    token = bind(request_id)
    try:
        yield
    finally:
        current.reset(token)
