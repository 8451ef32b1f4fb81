"""Asking whether a sidecar is ready, and whether it is the one that was started."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest

from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Care, Place, Sidecar, SidecarSpec
from forst_asgi.supervisor.asking import Answer, Predecessor, Question, Stranger, ask, is_listening, judge
from forst_asgi.supervisor.handed import not_three
from forst_asgi.supervisor.life import LATE_S, Life
from forst_asgi.supervisor.peer import Peer, peer_of
from forst_asgi.supervisor.policy import Signal
from forst_asgi.supervisor.seats import Offer, Seat, Seats

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

ASKED = Question("/ready", is_any_status_good=False, nonce="ours", earlier=frozenset({"before"}))
US = Peer(os.getpid(), os.geteuid())
NOBODY = 2**22 + 1  # more than any process number


def answered(status: int = 200, nonce: str | None = None, peer: Peer | None = None) -> Answer:
    """Return an answer."""
    return Answer(status, nonce, None, peer)


@pytest.mark.parametrize(
    ("answer", "question", "is_ready"),
    [
        (answered(nonce="ours"), ASKED, True),
        (answered(503, nonce="ours"), ASKED, False),
        (answered(503, nonce="ours"), replace(ASKED, is_any_status_good=True), True),
        (answered(nonce="ours", peer=Peer(NOBODY, os.geteuid())), ASKED, True),
        (answered(peer=US), ASKED, True),
        (answered(peer=Peer(0, os.geteuid())), ASKED, True),
        (answered(), ASKED, True),
    ],
)
def test_who_is_the_one(answer: Answer, question: Question, *, is_ready: bool) -> None:
    """The nonce proves it wherever it listens; without one the kernel's word does, or on TCP the answer."""
    assert judge(answer, question, os.getpid()) is is_ready


@pytest.mark.parametrize(
    ("answer", "question", "message"),
    [
        (
            answered(nonce="theirs", peer=US),
            ASKED,
            f"process {os.getpid()} answers there that is not the one",
        ),
        (answered(nonce="theirs"), ASKED, "a process answers there that is not the one that was started"),
        (answered(), replace(ASKED, must_prove=True), "a process answers there that is not the one"),
        (answered(nonce="ours", peer=Peer(1, 12345)), ASKED, "user 12345 listens there"),
        (answered(peer=Peer(NOBODY, os.geteuid())), ASKED, f"process {NOBODY} answers there"),
    ],
)
def test_who_is_not(answer: Answer, question: Question, message: str) -> None:
    """Another nonce, none after there was one, another user, or a process of another session."""
    with pytest.raises(Stranger, match=message):
        judge(answer, question, 1)


def test_the_process_before_it_is_no_stranger() -> None:
    """At a shared listener the one that is being replaced may answer still."""
    with pytest.raises(Predecessor):
        judge(answered(nonce="before"), ASKED, 1)


def test_a_child_in_the_session_is_the_program() -> None:
    """A wrapper script may have started what listens."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as leader:
        assert Peer(leader.pid, 0).is_of(leader.pid)
        assert not Peer(leader.pid, 0).is_of(1)
        leader.kill()


def test_the_kernel_tells_the_peer() -> None:
    """Both ends of a socket pair are us."""
    one, two = socket.socketpair()
    with one, two:
        assert peer_of(one) == US
        assert US.is_ours
        assert not Peer(1, 12345).is_ours


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b'HTTP/1.0 200 OK\r\n\r\n{"nonce":"n","build":"b"}', ("n", "b")),
        (b'HTTP/1.1 200 OK\r\n\r\n["nonce"]', (None, None)),
        (b'HTTP/1.1 200 OK\r\n\r\n{"nonce":7}', (None, None)),
        (b"HTTP/1.1 200 OK\r\n\r\nwelcome", (None, None)),
    ],
)
def test_what_answers_say(
    run: Run, folder: Path, said: bytes, expected: tuple[str | None, str | None]
) -> None:
    """Nonce and build are taken from JSON, anything else has none."""

    async def main() -> None:
        async with await asyncio.start_unix_server(speaking(said), str(folder / "s")):
            answer = await ask(Place(str(folder / "s")), "/ready")
        assert (answer.status, answer.nonce, answer.build) == (200, *expected)
        assert answer.peer == US

    run(main())


def speaking(
    said: bytes,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    """Return what a server does that says this to everybody."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    return speak


@pytest.mark.parametrize(
    ("said", "error"),
    [(b"SSH-2.0-x\r\n", Stranger), (b"HTTP/1.1 abc\r\n\r\n", Stranger), (b"", ConnectionResetError)],
)
def test_who_does_not_speak_http(run: Run, said: bytes, error: type[Exception]) -> None:
    """Something else on the port, or nothing, is told as such."""

    async def main() -> None:
        async with await asyncio.start_server(speaking(said), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(error):
                await ask(Place("", "127.0.0.1", port), "/ready")

    run(main())


def test_a_full_backlog_is_somebody(folder: Path) -> None:
    """Where nobody accepts but many wait, somebody listens."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as one:
        server.bind(str(folder / "s"))
        assert not is_listening(Place(str(folder / "s")))
        server.listen(0)
        one.connect(str(folder / "s"))
        assert is_listening(Place(str(folder / "s")))


def test_where_nobody_listens_a_question_fails(run: Run, folder: Path) -> None:
    """No socket is an OSError, and leaks nothing."""

    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await ask(Place(str(folder / "s")), "/ready")

    run(main())


def test_places_are_written_as_forst_listen_has_them() -> None:
    """A path, a host, an IPv6 address in brackets."""
    places = Place("/s"), Place("", "127.0.0.1", 9), Place("", "::1", 9)
    assert list(map(str, places)) == ["unix:/s", "tcp:127.0.0.1:9", "tcp:[::1]:9"]


class Living:
    """A sidecar that lives; all of it that a question needs."""

    pid = None
    is_suspended = False

    def __init__(self) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()


def living(place: Place, care: Care, observer: Observer) -> Life:
    """Return a life whose process does nothing."""
    seat = Seat(place, None, (place,))
    life = Life(SidecarSpec("q", ("x",), ""), care, seat, observer, frozenset({"before"}))
    assert repr(life).startswith("<Life <Sidecar")
    life.sidecar = cast("Sidecar", Living())
    return life


def test_a_delay_of_our_own_is_not_held_against_it(run: Run, folder: Path, observer: Observer) -> None:
    """When the loop was blocked while the answer came, nothing can be told."""

    async def main() -> None:
        place = Place(str(folder / "s"))
        life = living(place, Care(timeout_s=0.05), observer)
        seen = await life.check(place)
        assert seen is not None
        assert seen == (Signal.SILENT, "cannot be asked: No such file or directory")
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(place.path)
            mute.listen()
            assert await life.check(place) == (Signal.SILENT, "no answer within 0.05 s")
            asking = asyncio.ensure_future(life.check(place))
            await asyncio.sleep(0.01)
            blocked_for(0.05 + 2 * LATE_S)
            assert await asking is None

    run(main())


def blocked_for(seconds: float) -> None:
    """Block the loop, as an app does that computes."""
    subprocess.run(["sleep", str(seconds)], check=True)


def test_the_one_before_says_nothing_of_this_one(run: Run, folder: Path, observer: Observer) -> None:
    """An answer of the process that is being replaced is neither good nor bad."""

    async def main() -> None:
        place = Place(str(folder / "s"))
        life = living(place, Care(), observer)
        said = b'HTTP/1.0 200 OK\r\n\r\n{"nonce":"before"}'
        async with await asyncio.start_unix_server(speaking(said), place.path):
            assert await life.check(place) is None

    run(main())


def test_a_listener_for_another_socket_is_not_adopted(folder: Path) -> None:
    """When the address leads elsewhere than the listener that a dead leader left, a new one is made."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "old"))
    listener.listen()
    seats = Seats(Place(str(folder / "s")), folder, Offer.BOTH)
    seats.adopt(listener.detach(), 7)
    assert seats.listener is None
    assert repr(seats).endswith("listener=False>")
    with pytest.raises(OSError, match="too long"):
        Seats(Place(str(folder / "s")), folder / ("x" * 200), Offer.BOTH).take(is_swap=False)


def test_three_is_kept_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptor 3 is moved out of the way, any other is left as it is."""
    number = os.open(os.devnull, os.O_RDONLY)
    monkeypatch.setattr("forst_asgi.supervisor.handed.LISTEN_FD", number)
    moved = not_three(number)
    assert moved > number
    assert not os.get_inheritable(moved)
    os.close(moved)
    monkeypatch.undo()
    with Path(os.devnull).open() as other:
        assert other.fileno() == 3 or not_three(other.fileno()) == other.fileno()
    source = (
        "import os\n"
        "from forst_asgi.supervisor.handed import not_three\n"
        "os.dup2(2, 3)\n"
        "fd = not_three(3)\n"
        "assert fd > 3 and not os.get_inheritable(fd)\n"
        "try: os.fstat(3)\n"
        "except OSError: print('free')"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "free\n"
