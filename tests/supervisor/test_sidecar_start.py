"""Starting a sidecar: what it gets, when it counts as ready, and what an error tells."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forst_asgi.errors import SidecarError
from forst_asgi.events import Event, SidecarExited, SidecarReady, SidecarStarted, SidecarStopped, SidecarWrote
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import Sidecar, SidecarSpec

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
Program: TypeAlias = Callable[[str], SidecarSpec]
Probe: TypeAlias = Callable[[], Awaitable[bool]]

WAITS = "ready(); signal.pause()"


async def yes() -> bool:
    """Say that the sidecar is ready."""
    return True


async def refused() -> bool:
    """Fail as a connection does before anybody listens."""
    raise ConnectionRefusedError(111, "nobody listens")


def assert_reaped(pid: int) -> None:
    """Fail if `pid` is still a child of ours, be it a zombie."""
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def started_pid(events: list[Event]) -> int:
    """Return the pid that the first event tells."""
    assert isinstance(events[0], SidecarStarted)
    return events[0].pid


def failure(run: Run, sidecar: Sidecar) -> str:
    """Return what `start` raises; afterwards nothing may be left of the process."""

    async def main() -> None:
        with pytest.raises(SidecarError) as caught:
            await sidecar.start()
        texts.append(str(caught.value))

    texts: list[str] = []
    run(main())
    assert not sidecar.is_ready
    assert sidecar.pid is None
    return texts[0]


def test_start_returns_when_the_probe_says_yes(
    run: Run, program: Program, marked: Probe, observer: Observer, events: list[Event], mark: Path
) -> None:
    """`start` waits for the probe, and readiness and pid can be read off until `aclose`."""

    async def main() -> None:
        sidecar = Sidecar(program(WAITS), marked, observer)
        assert not sidecar.is_ready
        await sidecar.start()
        assert os.access(mark, os.F_OK)
        assert sidecar.is_ready
        assert sidecar.pid == started_pid(events)
        assert sidecar.exit_status is None
        assert repr(sidecar) == f"<Sidecar 'quotes' ready pid={sidecar.pid} exit_status=None>"
        await sidecar.aclose()
        assert not sidecar.is_ready
        assert sidecar.pid is None
        assert sidecar.exit_status == -signal.SIGTERM

    run(main())
    assert [type(event) for event in events] == [SidecarStarted, SidecarReady, SidecarStopped]


def test_started_event_names_the_command(run: Run, observer: Observer, events: list[Event]) -> None:
    """The event shows the program, and of its arguments only that there are any: secrets may stand there."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), "tcp:127.0.0.1:1"), yes, observer)
        await sidecar.start()
        await sidecar.aclose()

    run(main())
    assert isinstance(events[0], SidecarStarted)
    assert (events[0].upstream, events[0].command) == ("quotes", "sleep …")


def make_bad_commands(folder: Path) -> list[tuple[tuple[str, ...], str]]:
    """Make one file for each way in which a command can be wrong."""
    (folder / "plain").write_text("x")
    for name, text in {"noshebang": "echo hello\n", "nointerpreter": "#!/no/such/interpreter\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    looked = f"(looked for from the working directory {folder})"
    return [
        (("./missing",), f"there is no file {folder}/missing {looked}; build it first"),
        (("no-such-program", "x"), "there is no executable file 'no-such-program' in PATH (/usr/bin:/bin:"),
        ((str(folder),), f"{folder} is a directory"),
        (("./plain",), f"{folder}/plain is not executable {looked}; try chmod +x"),
        (("./noshebang",), "exec format error: not a program for this machine"),
        (("./nointerpreter",), "the interpreter in its #! line"),
        (("sleep", "\0"), "embedded null byte"),
        (("",), "`command` is empty"),
        ((), "`command` is empty"),
    ]


@pytest.mark.parametrize("number", range(9))
def test_command_that_cannot_run_is_explained(
    run: Run,
    tmp_path: Path,
    observer: Observer,
    events: list[Event],
    count_fds: Callable[[], int],
    number: int,
) -> None:
    """A wrong command names itself, where it was looked for and what to do, and leaves nothing behind."""
    command, expected = make_bad_commands(tmp_path)[number]
    env = {"PATH": f"/usr/bin:/bin::{tmp_path}/empty"}
    before = count_fds()
    text = failure(run, Sidecar(SidecarSpec("quotes", command, "", str(tmp_path), env), yes, observer))
    assert expected in text
    assert "sidecar 'quotes'" in text
    assert count_fds() == before
    assert events == []


def test_missing_working_directory_is_explained(run: Run, tmp_path: Path, observer: Observer) -> None:
    """A `cwd` that is not there is told apart from a missing program."""
    spec = SidecarSpec("quotes", ("sleep", "60"), "", str(tmp_path / "gone"))
    assert f"its working directory {tmp_path}/gone is not there" in failure(run, Sidecar(spec, yes, observer))


def test_relative_program_is_looked_for_in_cwd(run: Run, tmp_path: Path, observer: Observer) -> None:
    """A program with a slash is found from the sidecar's working directory, and runs there."""
    script = tmp_path / "here"
    script.write_text("#!/bin/sh\npwd -P > where\nexec sleep 60\n")
    script.chmod(0o755)

    def read_where() -> str:
        return (tmp_path / "where").read_text()

    async def has_written() -> bool:
        return read_where() == f"{tmp_path}\n"

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("./here",), "", str(tmp_path)), has_written, observer)
        await sidecar.start()
        await sidecar.aclose()

    run(main())


def test_no_thread_to_watch_with(run: Run, observer: Observer) -> None:
    """When the system refuses the watching thread, the process that was just started is killed and reaped."""
    sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
    usual = threading.stack_size(1 << 46)  # no address space has room for that
    try:
        assert "can't start new thread" in failure(run, sidecar)
    finally:
        threading.stack_size(usual)


def test_exit_before_ready_shows_status_and_last_lines(
    run: Run, program: Program, observer: Observer, events: list[Event]
) -> None:
    """A sidecar that ends at once is reported with its exit status and the last lines of both streams."""
    source = (
        "for n in range(30): print('line', n)\n"
        "sys.stdout.flush(); print('giving up', file=sys.stderr); sys.exit(3)"
    )
    text = failure(run, Sidecar(program(source), refused, observer))
    assert "sidecar 'quotes': ended before it was ready, with exit status 3; last output:\n  | " in text
    assert len(text.splitlines()) == 1 + 20
    assert "\n  | line 29" in text
    assert "\n  | giving up" in text
    assert [event.exit_status for event in events if isinstance(event, SidecarExited)] == [3]
    assert_reaped(started_pid(events))


def test_long_lines_are_shortened_in_the_error(run: Run, program: Program, observer: Observer) -> None:
    """An error shows the beginning of a long line only; the event has more of it."""
    text = failure(run, Sidecar(program("print('x' * 5000)"), refused, observer))
    assert text.endswith("last output:\n  | " + "x" * 300 + "...")


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (6, "SIGABRT")])
def test_death_by_signal_is_named(
    run: Run, program: Program, observer: Observer, number: int, name: str
) -> None:
    """A signal is named, not shown as a negative number."""
    text = failure(run, Sidecar(program(f"os.kill(os.getpid(), {number})"), refused, observer))
    assert f"ended before it was ready, with {name}; it wrote nothing" in text


@pytest.mark.skipif(sys.platform != "linux", reason="real-time signals are not everywhere")
def test_death_by_a_signal_without_name(run: Run, program: Program, observer: Observer) -> None:
    """A real-time signal has only a number."""
    text = failure(run, Sidecar(program("os.kill(os.getpid(), 40)"), refused, observer))
    assert "with signal 40" in text


def test_not_ready_in_time_shows_what_the_probe_saw(
    run: Run, observer: Observer, events: list[Event]
) -> None:
    """The error carries the probe's last failure and the output; the process is stopped and reaped."""
    command = ("sh", "-c", "echo warming up; exec sleep 60")
    spec = SidecarSpec("quotes", command, "", ready_timeout_s=1)
    text = failure(run, Sidecar(spec, refused, observer))
    assert "was not ready within 1 s: the probe raised ConnectionRefusedError: [Errno 111] nobody" in text
    assert text.endswith("last output:\n  | warming up")
    assert [type(event) for event in events] == [SidecarStarted, SidecarWrote, SidecarStopped]
    assert_reaped(started_pid(events))


def test_probe_that_says_no_is_told_so(run: Run, observer: Observer) -> None:
    """A probe that answers "not ready" until the end is reported as such."""

    async def no() -> bool:
        return False

    spec = SidecarSpec("quotes", ("sleep", "60"), "", ready_timeout_s=0.1)
    assert "the probe answered, but not as ready" in failure(run, Sidecar(spec, no, observer))


def test_probe_that_hangs_does_not_hold_the_start(run: Run, observer: Observer) -> None:
    """The start ends in time although its only probe never returns, and the probe is cancelled."""
    cancelled: list[bool] = []

    async def hang() -> bool:
        try:
            return bool(await asyncio.Event().wait())
        finally:
            cancelled.append(True)

    spec = SidecarSpec("quotes", ("sleep", "60"), "", ready_timeout_s=0.05)
    assert "was not ready within 0.05 s: the probe was never" in failure(run, Sidecar(spec, hang, observer))
    assert cancelled == [True]


def test_probe_that_hangs_does_not_hide_the_end(run: Run, observer: Observer, events: list[Event]) -> None:
    """The start ends as soon as the process does, also in the middle of a probe."""
    asked: list[int] = []

    async def kill_and_hang() -> bool:
        asked.append(1)
        os.kill(started_pid(events), signal.SIGKILL)
        return bool(await asyncio.Event().wait())

    spec = SidecarSpec("quotes", ("sleep", "60"), "")
    assert "ended before it was ready, with SIGKILL" in failure(run, Sidecar(spec, kill_and_hang, observer))
    assert asked == [1]


def test_answer_of_somebody_else_does_not_count(run: Run, observer: Observer, events: list[Event]) -> None:
    """A probe that says yes after the process has ended does not make it ready."""

    async def squatter() -> bool:
        os.kill(started_pid(events), signal.SIGKILL)
        while not any(isinstance(event, SidecarExited) for event in events):  # noqa: ASYNC110 - as below
            await asyncio.sleep(0)
        return True

    spec = SidecarSpec("quotes", ("sleep", "60"), "")
    assert "ended before it was ready" in failure(run, Sidecar(spec, squatter, observer))


def test_cancelled_start_leaves_no_process(run: Run, observer: Observer, events: list[Event]) -> None:
    """Wherever in `start` a cancellation arrives, the process is stopped and reaped before it goes on."""

    async def slowly() -> bool:
        await asyncio.sleep(0)
        return len(turns) == 0

    async def main(turns: int) -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), slowly, observer)
        starting = asyncio.create_task(sidecar.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert sidecar.pid is None
        assert sidecar.exit_status in (None, -signal.SIGTERM, -signal.SIGKILL)

    turns = range(12)
    for number in turns:
        run(main(number))
    pids = [event.pid for event in events if isinstance(event, SidecarStarted)]
    assert len(pids) == 11  # the first was cancelled before its first step
    for pid in pids:
        assert_reaped(pid)
    assert sum(isinstance(event, SidecarStopped) for event in events) == 11


def test_stop_while_starting(run: Run, observer: Observer, events: list[Event]) -> None:
    """`aclose` from elsewhere ends a start that is under way, which says so."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), refused, observer)
        starting = asyncio.create_task(sidecar.start())
        while not events:  # noqa: ASYNC110 - an event of ours would need an observer of its own
            await asyncio.sleep(0)
        await sidecar.aclose()
        with pytest.raises(SidecarError, match="was stopped while it was starting"):
            await starting

    run(main())
    assert [type(event) for event in events] == [SidecarStarted, SidecarStopped]


def test_one_object_is_one_life(run: Run, observer: Observer) -> None:
    """A second start, or a start after the close, is refused; the running process is left alone."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        with pytest.raises(SidecarError, match="is ready; a Sidecar can be started only once"):
            await sidecar.start()
        assert sidecar.is_ready
        await sidecar.aclose()
        with pytest.raises(SidecarError, match="is closed"):
            await sidecar.start()

    run(main())


def test_sidecar_gets_an_allow_listed_environment(
    run: Run,
    program: Program,
    marked: Probe,
    observer: Observer,
    mark: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of our environment reaches the program but what is listed, passed or set."""
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("WANTED", "yes")
    source = (
        "names = sorted(os.environ)\n"
        "open(os.environ['FORST_TEST_MARK'] + '.names', 'w').write(' '.join(names))\n" + WAITS
    )
    spec = replace(program(source), env_pass=("WANTED",))

    async def main() -> None:
        sidecar = Sidecar(spec, marked, observer)
        await sidecar.start()
        await sidecar.aclose()

    run(main())
    names = set(Path(f"{mark}.names").read_text().split())
    assert {"WANTED", "PATH", "FORST_LISTEN", "FORST_LIFELINE"} <= names
    assert "DATABASE_PASSWORD" not in names
    listed = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "WANTED"}
    assert {name for name in names - listed if not name.startswith(("LC_", "OTEL_", "GO", "FORST_"))} <= {
        "__CF_USER_TEXT_ENCODING"  # macOS puts it in by itself
    }


def test_sidecar_inherits_no_descriptor_but_the_lifeline(
    run: Run, program: Program, marked: Probe, observer: Observer, mark: Path
) -> None:
    """A listening socket that is inheritable, as uvicorn's is, does not reach the sidecar, on any loop."""
    source = (
        "held = {0, 1, 2, holds_open.fileno(), int(os.environ['FORST_LIFELINE'])}\n"
        "def is_open(fd):\n"
        "    try: os.fstat(fd)\n"
        "    except OSError: return False\n"
        "    return True\n"
        "others = [fd for fd in range(1024) if fd not in held and is_open(fd)]\n"
        "open(os.environ['FORST_TEST_MARK'] + '.fds', 'w').write(repr(others))\n" + WAITS
    )

    async def main() -> None:
        sidecar = Sidecar(program(source), marked, observer)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.set_inheritable(True)
            await sidecar.start()
        await sidecar.aclose()

    run(main())
    assert Path(f"{mark}.fds").read_text() == "[]"


def test_sidecar_has_its_own_session(
    run: Run, program: Program, marked: Probe, observer: Observer, mark: Path
) -> None:
    """Ctrl-C in our terminal does not reach the sidecar: it leads a session of its own."""

    async def main() -> None:
        sidecar = Sidecar(program(WAITS), marked, observer)
        await sidecar.start()
        assert sidecar.pid is not None
        assert os.getsid(sidecar.pid) == os.getpgid(sidecar.pid) == sidecar.pid
        await sidecar.aclose()

    run(main())


def test_works_in_loops_of_other_threads(observer: Observer, events: list[Event]) -> None:
    """Sidecars start and stop in the loops of several threads at once, none of them the main thread."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        await sidecar.aclose()
        assert sidecar.exit_status == -signal.SIGTERM

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(event, SidecarStopped) for event in events) == 4


def test_works_in_a_thread_on_both_loops(run: Run, observer: Observer, events: list[Event]) -> None:
    """The end of a process is noticed in a loop that does not run in the main thread, uvloop included."""

    async def main() -> None:
        sidecar = Sidecar(SidecarSpec("quotes", ("sleep", "60"), ""), yes, observer)
        await sidecar.start()
        await sidecar.aclose()

    thread = threading.Thread(target=run, args=(main(),))
    thread.start()
    thread.join()
    assert isinstance(events[-1], SidecarStopped)
