"""What a fuzzing peer sends, and what has to come of it: the cases, grouped and numbered as in Autobahn.

The same cases are played in both directions: by a client, through a server and the middleware, to an echo;
and by an upstream, to a middleware whose client is an echo.
"""

from dataclasses import dataclass

from tests.websocket.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, F, closing


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: group, number and title.
        sends: the frames, in order.
        hears: what must come back before the end, apart from what comes for the close.
        end: the close code with which the receiver has to answer; None for a close frame without a code.
        chop: send in pieces of so many bytes.
        fails: whether the receiver fails the connection; echoes from before may be lost then.
        hangs: nothing follows after what is sent: the receiver has to act on that alone.
    """

    name: str
    sends: tuple[F, ...]
    hears: tuple[F, ...] = ()
    end: int | None = 1000
    chop: int = 0
    fails: bool = False
    hangs: bool = False

    def __str__(self) -> str:
        return self.name


def echoed(name: str, *frames: F, chop: int = 0) -> Case:
    """Frames that come back as they were sent, messages as messages and pings as pongs."""
    hears = tuple(F(PONG, each.payload) if each.opcode == PING else each for each in frames)
    return Case(name, (*frames, closing(1000)), hears, chop=chop)


def refused(name: str, code: int, *frames: F, before: tuple[F, ...] = (), hangs: bool = False) -> Case:
    """Frames that end it with a code; `before` may come back until then."""
    return Case(name, frames, before, code, fails=True, hangs=hangs)


def pieces(opcode: int, data: bytes, size: int) -> tuple[F, ...]:
    """A message in fragments of a size."""
    parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    last = len(parts) - 1
    return tuple(F(CONT if number else opcode, part, number == last) for number, part in enumerate(parts))


HELLO = F(TEXT, b"Hello, world!")
FAR = "Hello-µ@ßöäüàá-UTF-8!!".encode()

_SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536)

FRAMING = [
    *(echoed(f"1.1 text of {size}", F(TEXT, b"*" * size)) for size in _SIZES),
    *(echoed(f"1.2 binary of {size}", F(BINARY, b"\xfe" * size)) for size in _SIZES),
    echoed("1.1 text of 65536 in chops of 997", F(TEXT, b"*" * 65536), chop=997),
    echoed("1.2 binary of 65536 in chops of 997", F(BINARY, b"\xfe" * 65536), chop=997),
    echoed("1.1 text in single bytes", F(TEXT, b"*" * 300), chop=1),
]

PINGS = [
    echoed("2.1 empty ping", F(PING)),
    echoed("2.2 ping with text", F(PING, b"Hello, world!")),
    echoed("2.3 ping that is not UTF-8", F(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
    echoed("2.4 ping of 125", F(PING, b"\xfe" * 125)),
    refused("2.5 ping of 126", 1002, F(PING, b"\xfe" * 126)),
    echoed("2.6 ping in single bytes", F(PING, b"\xfe" * 125), chop=1),
    Case("2.7 pong that nobody asked for", (F(PONG), closing(1000))),
    Case("2.8 pong with a payload", (F(PONG, b"unsolicited"), closing(1000))),
    Case("2.9 pong, then ping", (F(PONG, b"pong"), F(PING, b"ping"), closing(1000)), (F(PONG, b"ping"),)),
    echoed("2.10 ten pings", *(F(PING, b"payload-%d" % number) for number in range(10))),
    echoed("2.11 ten pings in single bytes", *(F(PING, b"%d" % number) for number in range(10)), chop=1),
]

RESERVED = [
    refused("3.1 text with RSV 1", 1002, F(TEXT, b"x", rsv=1)),
    refused("3.2 text, text with RSV 2, ping", 1002, HELLO, F(TEXT, b"x", rsv=2), F(PING), before=(HELLO,)),
    refused("3.3 text with RSV 3", 1002, F(TEXT, b"x", rsv=3)),
    refused("3.4 compressed without an agreement", 1002, F(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)),
    refused("3.5 binary with RSV 5", 1002, F(BINARY, b"\x00\xff", rsv=5)),
    refused("3.6 ping with RSV 6", 1002, F(PING, b"x", rsv=6)),
    refused("3.7 close with RSV 7", 1002, F(CLOSE, rsv=7)),
]

OPCODES = [
    *(refused(f"4.1 opcode {opcode}", 1002, F(opcode, b"x")) for opcode in range(3, 8)),
    *(refused(f"4.2 opcode {opcode}", 1002, F(opcode, b"x")) for opcode in range(11, 16)),
    refused("4.1 text, opcode 3, ping", 1002, HELLO, F(3), F(PING), before=(HELLO,)),
    refused("4.2 text, opcode 11, ping", 1002, HELLO, F(11), F(PING), before=(HELLO,)),
]

_FIRST, _MIDDLE, _LAST = F(TEXT, b"fragment1", fin=False), F(CONT, b"f2", fin=False), F(CONT, b"fragment3")
_BOTH = (F(TEXT, b"fragment1fragment3"),)

FRAGMENTS = [
    refused("5.1 ping in two fragments", 1002, F(PING, b"a", fin=False), F(CONT, b"b")),
    refused("5.2 pong in two fragments", 1002, F(PONG, b"a", fin=False), F(CONT, b"b")),
    Case("5.3 text in two fragments", (_FIRST, _LAST, closing(1000)), _BOTH),
    Case("5.5 two fragments in single bytes", (_FIRST, _LAST, closing(1000)), _BOTH, chop=1),
    Case(
        "5.6 ping between fragments",
        (_FIRST, F(PING, b"ping"), _LAST, closing(1000)),
        (F(PONG, b"ping"), *_BOTH),
    ),
    refused("5.9 continuation of nothing", 1002, F(CONT, b"x"), HELLO),
    refused("5.12 unfinished continuation of nothing", 1002, F(CONT, b"x", fin=False), HELLO),
    refused("5.15 continuation after the end", 1002, _FIRST, _LAST, F(CONT, b"x", fin=False), before=_BOTH),
    refused("5.18 text amid text", 1002, _FIRST, F(TEXT, b"other")),
    refused("5.18 binary amid text", 1002, _FIRST, F(BINARY, b"other")),
    Case(
        "5.19 five fragments and pings",
        (_FIRST, _MIDDLE, F(PING, b"1"), _MIDDLE, _MIDDLE, F(PING, b"2"), _LAST, closing(1000)),
        (F(PONG, b"1"), F(PONG, b"2"), F(TEXT, b"fragment1f2f2f2fragment3")),
    ),
]

VALID_UTF8 = [
    "κόσμε",
    "\x00",
    "\x7f",
    "\x80",
    "߿",
    "ࠀ",
    "�",
    "\U00010000",
    "\U0010ffff",
    "\ud7ff",
    "\ue000",
    "\ufffe",
    "\uffff",
    "\U0001fffe",
]

INVALID_UTF8 = [
    "cebae1bdb9cf83cebcceb5eda080656469746564",  # a surrogate amid Greek
    "80",  # continuation bytes alone
    "bf",
    "80bf80bf80bf",
    "c020",  # first bytes without continuation
    "e020",
    "f020",
    "fe",
    "ff",
    "c0af",  # overlong
    "e080af",
    "f08080af",
    "c1bf",
    "e09fbf",
    "f08fbfbf",
    "f88080808080",
    "eda080",  # surrogates
    "edbfbf",
    "eda080edb080",
    "f4908080",  # beyond U+10FFFF
    "f5808080",
    "cebae1bdb9cf83cebcceb5f4908080656469746564",
]

TEXTS = [
    echoed("6.1.1 empty text", F(TEXT)),
    Case(
        "6.1.2 empty fragments", (F(TEXT, fin=False), F(CONT, fin=False), F(CONT), closing(1000)), (F(TEXT),)
    ),
    Case(
        "6.1.3 empty around a fragment",
        (F(TEXT, fin=False), F(CONT, b"mid", fin=False), F(CONT), closing(1000)),
        (F(TEXT, b"mid"),),
    ),
    echoed("6.2.1 UTF-8", F(TEXT, FAR)),
    Case(
        "6.2.2 cut between characters",
        (F(TEXT, FAR[:6], fin=False), F(CONT, FAR[6:]), closing(1000)),
        (F(TEXT, FAR),),
    ),
    Case("6.2.3 cut everywhere", (*pieces(TEXT, FAR, 1), closing(1000)), (F(TEXT, FAR),)),
    *(echoed(f"6.5 valid {text!a}", F(TEXT, text.encode())) for text in VALID_UTF8),
    *(refused(f"6.3 invalid {data}", 1007, F(TEXT, bytes.fromhex(data))) for data in INVALID_UTF8),
    *(
        refused(f"6.3 invalid {data} in single bytes", 1007, *pieces(TEXT, b"ok" + bytes.fromhex(data), 1))
        for data in INVALID_UTF8
    ),
    refused("6.3 torn at the end", 1007, F(TEXT, "€".encode()[:2])),
    refused("6.3 torn at the end of the last fragment", 1007, *pieces(TEXT, "€".encode()[:2], 1)),
    refused("6.3 invalid, then a close", 1007, F(TEXT, b"\xff"), closing(1000)),
]

FAIL_FAST = [
    refused("6.4 invalid first fragment", 1007, F(TEXT, b"\xc0\xaf", fin=False), hangs=True),
    refused(
        "6.4 invalid second fragment",
        1007,
        F(TEXT, b"ok", fin=False),
        F(CONT, b"\xed\xa0\x80", fin=False),
        hangs=True,
    ),
    refused(
        "6.4 a character that cannot become valid",
        1007,
        F(TEXT, b"\xf4", fin=False),
        F(CONT, b"\x90", fin=False),
        hangs=True,
    ),
]

_VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
_INVALID_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)

CLOSES = [
    Case("7.1.1 message, then close", (HELLO, closing(1000)), (HELLO,)),
    Case("7.1.2 two closes", (closing(1000), closing(1000))),
    Case("7.1.3 ping after close", (closing(1000), F(PING))),
    Case("7.1.4 text after close", (closing(1000), HELLO)),
    Case("7.1.5 close amid a message", (_FIRST, closing(1000), _LAST)),
    Case("7.3.1 close without a code", (F(CLOSE),), end=None),
    refused("7.3.2 close with half a code", 1002, F(CLOSE, b"\x03")),
    Case("7.3.3 close with a code", (closing(1000),)),
    Case("7.3.4 close with a reason", (closing(1000, b"Hello World!"),)),
    Case("7.3.5 close with the longest reason", (closing(1000, b"*" * 123),)),
    refused("7.3.6 close with too long a reason", 1002, closing(1000, b"*" * 124)),
    refused("7.5.1 close with a reason that is not UTF-8", 1007, closing(1000, bytes.fromhex("ceba80"))),
    *(Case(f"7.7 close with {code}", (closing(code),), end=code) for code in _VALID_CODES),
    *(refused(f"7.9 close with {code}", 1002, closing(code)) for code in _INVALID_CODES),
]

_LARGE = bytes(range(32, 96)) * 4096  # 256 KiB

LIMITS = [
    echoed("9.1 text of 256 KiB", F(TEXT, _LARGE)),
    echoed("9.2 binary of 256 KiB", F(BINARY, _LARGE)),
    Case("9.3 text in fragments of 4 KiB", (*pieces(TEXT, _LARGE, 4096), closing(1000)), (F(TEXT, _LARGE),)),
    Case("9.4 binary in fragments of 64", (*pieces(BINARY, _LARGE, 64), closing(1000)), (F(BINARY, _LARGE),)),
    echoed("9.5 text of 256 KiB in chops of 2048", F(TEXT, _LARGE), chop=2048),
    echoed("9.7 a thousand texts", *(F(TEXT, b"%016d" % number) for number in range(1000))),
    echoed("9.8 a thousand empty messages", *(F(BINARY),) * 1000),
    Case(
        "10.1 text in fragments of 1300",
        (*pieces(TEXT, _LARGE[:65536], 1300), closing(1000)),
        (F(TEXT, _LARGE[:65536]),),
    ),
]

CASES = [
    *FRAMING,
    *PINGS,
    *RESERVED,
    *OPCODES,
    *FRAGMENTS,
    *TEXTS,
    *FAIL_FAST,
    *CLOSES,
    *LIMITS,
]
