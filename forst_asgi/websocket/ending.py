"""How a WebSocket ended, and what each side is told of it (RFC 6455 section 7.4).

Three codes exist only in what a library tells its user and never on the wire: 1005 (the close frame had no
code), 1006 (there was no close frame) and 1015 (TLS failed).

    it ended with      the client is told                    the upstream is told
    a code             the same                              the same
    1005               1000: ASGI has no frame without one   a close frame without a code
    1006, 1015         1011                                  nothing, the connection ends: 1006 there too
"""

from dataclasses import dataclass
from typing import Final, Literal

from forst_asgi.errors import ForstError

NO_CODE: Final = 1005
ABNORMAL: Final = 1006

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
RESTART: Final = 1012

_ON_THE_WIRE: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})

_MAX_REASON_BYTES: Final = 123


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one WebSocket.

    Attributes:
        by: who ended it.
        code: the close code, 1005 and 1006 as RFC 6455 has them.
        reason: the text that goes with the code.
        error: what went wrong, None when nothing did.
    """

    by: Literal["client", "upstream", "middleware"]
    code: int
    reason: str = ""
    error: ForstError | None = None

    @property
    def is_abnormal(self) -> bool:
        """Whether there is no close frame to send for this end."""
        return self.code != NO_CODE and not _may_be_sent(self.code)

    @property
    def client_code(self) -> int:
        """The code for the client."""
        if _may_be_sent(self.code):
            return self.code
        return NORMAL if self.code == NO_CODE else INTERNAL_ERROR

    @property
    def upstream_code(self) -> int | None:
        """The code for the upstream; None for a close frame without one."""
        return self.code if _may_be_sent(self.code) else None

    @property
    def short_reason(self) -> str:
        """The reason as far as it fits into a close frame; none without a code."""
        if not _may_be_sent(self.code):
            return ""
        return self.reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


def _may_be_sent(code: int) -> bool:
    return code in _ON_THE_WIRE or 3000 <= code < 5000
