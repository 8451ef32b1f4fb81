"""Building the sidecar's program, and replacing its process when the source changes."""

import asyncio
import os
import shlex
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forst_asgi.errors import SidecarNotReady
from forst_asgi.events import BuildFailed, BuildFinished, Event, SidecarReplaced
from forst_asgi.interfaces import Observer
from forst_asgi.supervisor import (
    BuildSpec,
    Care,
    HomeKey,
    SidecarSpec,
    Standing,
    Supervisor,
    SupervisorSpec,
    building,
)
from forst_asgi.supervisor.building import BuildError, Problem, build, parse_problems, placed
from forst_asgi.supervisor.keeper import Keeper
from forst_asgi.supervisor.place import Place
from forst_asgi.supervisor.seats import Offer, Seats
from forst_asgi.supervisor.workshop import Workshop, is_watched

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]

# A compiler of our own: it copies a program, unless the source has a mistake.
COMPILE = 'grep -q oops main.go && { echo "./main.go:3:5: undefined: oops" >&2; exit 1; }; cp "$0" "$1"'


@pytest.fixture(autouse=True)
def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers meet in `folder`."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))


@pytest.fixture
def spec(counter: Path, folder: Path) -> BuildSpec:
    """How the Go program of the tests is "built"."""
    (folder / "main.go").write_text("package main\n")
    return BuildSpec(
        "quotes", ("sh", "-c", COMPILE, str(counter), "{out}"), folder, folder / "bin" / "s", ("**/*.go",)
    )


def test_a_build_puts_the_program_in_place(run: Run, spec: BuildSpec) -> None:
    """The program is there, whole, and nothing else beside it."""
    run(build(spec))
    assert [path.name for path in spec.program.parent.iterdir()] == ["s"]
    assert os.access(spec.program, os.X_OK)


def test_a_mistake_has_a_place_and_changes_nothing(run: Run, spec: BuildSpec, folder: Path) -> None:
    """What the compiler wrote is told, with file and line, and the program is the one from before."""
    run(build(spec))
    before = spec.program.stat()
    (folder / "main.go").write_text("oops")

    async def main() -> None:
        with pytest.raises(BuildError, match=r"failed:\n\./main\.go:3:5: undefined: oops") as caught:
            await build(spec)
        assert caught.value.problems == (Problem("./main.go", 3, 5, "undefined: oops"),)

    run(main())
    assert os.path.samestat(spec.program.stat(), before)
    assert [path.name for path in spec.program.parent.iterdir()] == ["s"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-compiler {out}", "No such file or directory: no-such-compiler"),
        ("true {out}", r"it did not write \{out\}"),
        ("sh -c 'printf \"\\033[2J\"; exit 1' {out}", r"\\x1b\[2J"),
    ],
)
def test_what_else_goes_wrong(run: Run, spec: BuildSpec, command: str, message: str) -> None:
    """No compiler, one that writes nothing, and one that would drive the terminal."""

    async def main() -> None:
        with pytest.raises(BuildError, match=message):
            await build(replace(spec, arguments=tuple(shlex.split(command))))

    run(main())


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("file/s", r"expected a folder to write the program .*/file/s to: File exists: .*/file$"),
        ("file/bin/s", r"expected a folder to write the program .*/file/bin/s to: Not a directory: .*/bin$"),
        ("sub", r"the program .*/sub is a directory; name a file inside it"),
    ],
)
def test_a_program_that_cannot_be_written(
    run: Run, spec: BuildSpec, folder: Path, observer: Observer, program: str, message: str
) -> None:
    """Where its folder is a file, or where it is a folder itself, the start says so and where."""
    (folder / "file").touch()
    (folder / "sub").mkdir()
    there = replace(spec, program=folder / program)

    async def main() -> None:
        with pytest.raises(BuildError, match=message):
            await build(there)
        sidecar = SidecarSpec("quotes", (str(there.program),), "")
        whole = SupervisorSpec(sidecar, Care(), HomeKey("/forst.toml", "quotes"), build=there)
        with pytest.raises(BuildError, match=message):
            await Supervisor(whole, observer, lambda _: None).start()

    run(main())
    assert {path.name for path in folder.iterdir()} == {"file", "sub", "main.go"}


def test_what_a_compiler_wrote_is_not_a_program(run: Run, spec: BuildSpec, folder: Path) -> None:
    """A compiler that makes a folder has built nothing, and one that takes the program's place neither."""
    makes = replace(spec, arguments=("sh", "-c", f'mkdir {folder}/bin/s; touch "$0"', "{out}"))

    async def main() -> None:
        with pytest.raises(BuildError, match=r"what it wrote cannot be put at .*/bin/s: Is a directory"):
            await build(makes)
        with pytest.raises(BuildError, match="embedded null byte"):
            await build(replace(spec, program=folder / "s", arguments=("\0", "{out}")))

    run(main())


def test_a_compiler_does_not_outlive_its_time(
    run: Run, spec: BuildSpec, monkeypatch: pytest.MonkeyPatch, wait_gone: Callable[[], None], tmp_path: Path
) -> None:
    """One that takes too long, or whose build is cancelled, is killed with its children."""
    hanging = replace(
        spec, arguments=("sh", "-c", f"exec 9> {tmp_path / 'held'}; sleep 600 & sleep 600", "{out}")
    )

    async def main() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(building, "TIMEOUT_S", 0.3)
            with pytest.raises(BuildError, match=r"took longer than 0\.3 s"):
                await build(hanging)
        wait_gone()
        task = asyncio.create_task(build(hanging))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_places_begin_where_the_command_runs(spec: BuildSpec, folder: Path) -> None:
    """A compiler that was sent to another folder names files from there; a person looks from here."""
    (folder / "side" / "x").mkdir(parents=True)
    (folder / "side" / "x" / "x.go").touch()
    sent = replace(spec, arguments=("go", "build", "-C", "side", "-o", "{out}", "."))
    text = "# example.com/x\nx/x.go:1:2: a\n./x/x.go:3: b\nmain.go:1:1: c\ngone.go:1:1: d"
    expected = "# example.com/x\nside/x/x.go:1:2: a\nside/x/x.go:3: b\nmain.go:1:1: c\ngone.go:1:1: d"
    assert placed(text, sent) == expected
    assert placed(text, spec) == text


def test_places_in_what_compilers_write() -> None:
    """Go's own form, that of vet, one without a column; anything else has no place."""
    text = (
        "# example.com/sidecar\n"
        "./main.go:7:2: undefined: x\n"
        "vet: ./a.go:1:1: expected 'package'\n"
        "go: errors parsing go.mod:\n"
        "go.mod:3: unknown directive: oops\n"
        "cmd/b.go:9:12: too many errors"
    )
    assert parse_problems(text) == (
        Problem("./main.go", 7, 2, "undefined: x"),
        Problem("./a.go", 1, 1, "expected 'package'"),
        Problem("go.mod", 3, None, "unknown directive: oops"),
        Problem("cmd/b.go", 9, 12, "too many errors"),
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("main.go", True),
        ("cmd/x/main.go", True),
        ("main.py", False),
        (".git/x.go", False),
        (".main.go", False),
        ("/elsewhere/main.go", False),
    ],
)
def test_what_is_watched(path: str, *, expected: bool) -> None:
    """`**/` stands for no folder too; hidden files are never watched, nor is anything outside."""
    folder = Path("/app")
    assert is_watched(folder / path, folder, ("**/*.go",)) is expected


@pytest.mark.parametrize(
    ("path", "expected"), [("sidecar/main.go", True), ("sidecar/a/b/x.go", True), ("x.go", False)]
)
def test_no_folder_in_the_middle(path: str, *, expected: bool) -> None:
    """`**/` in the middle of a pattern, as in what init writes, stands for no folder as well."""
    folder = Path("/app")
    assert is_watched(folder / path, folder, ("sidecar/**/*.go",)) is expected


class Told:
    """What a supervisor was told, with a way to wait."""

    def __init__(self) -> None:
        self.last = Standing()
        self._changed = asyncio.Event()

    def note(self, standing: Standing) -> None:
        self.last = standing
        self._changed.set()

    async def until(self, fits: Callable[[Standing], bool]) -> None:
        async with asyncio.timeout(30):
            while not fits(self.last):
                self._changed.clear()
                await self._changed.wait()


def test_saving_a_file_replaces_the_process(
    run: Run,
    spec: BuildSpec,
    go_spec: SidecarSpec,
    folder: Path,
    observer: Observer,
    events: list[Event],
) -> None:
    """A save swaps; a mistake is kept while the last good process goes on; its correction swaps again."""
    pytest.importorskip("watchfiles")
    key = HomeKey("/forst.toml", "quotes")
    sidecar = replace(go_spec, command=(str(spec.program),))
    source = folder / "main.go"

    async def main() -> None:
        told = Told()
        supervisor = Supervisor(SupervisorSpec(sidecar, Care(), key, build=spec), observer, told.note)
        await supervisor.start()
        first = told.last.pid
        await asyncio.sleep(0.2)  # until the watcher has its first look; nothing tells of that
        source.write_text("package main // saved\n")
        await told.until(lambda standing: standing.generation == 2)
        second = told.last.pid
        assert second != first
        source.write_text("oops\n")
        await told.until(lambda standing: standing.build_problem is not None)
        assert (told.last.pid, told.last.state.value) == (second, "ready")
        with pytest.raises(BuildError, match="undefined: oops"):
            await supervisor.restart()
        source.write_text("package main // corrected\n")
        await told.until(lambda standing: standing.generation == 3)
        assert told.last.build_problem is None
        await supervisor.aclose()

    run(main())
    assert len([event for event in events if isinstance(event, SidecarReplaced)]) == 2
    assert len([event for event in events if isinstance(event, BuildFinished)]) == 3
    assert any("main.go:3:5" in event.problem for event in events if isinstance(event, BuildFailed))


def test_who_waits_starts_without_a_program(
    run: Run, spec: BuildSpec, go_spec: SidecarSpec, folder: Path, observer: Observer
) -> None:
    """In development a mistake is no end: leader and follower stand by, its correction starts a process."""
    pytest.importorskip("watchfiles")
    sidecar = replace(go_spec, command=(str(spec.program),))
    waiting = SupervisorSpec(sidecar, Care(), HomeKey("/forst.toml", "quotes"), build=spec, waits=True)
    source = folder / "main.go"
    source.write_text("oops\n")

    async def main() -> None:
        ours, theirs = Told(), Told()
        leader = Supervisor(waiting, observer, ours.note)
        await leader.start()
        assert ours.last.state.value == "failed"
        assert "main.go:3:5" in (ours.last.build_problem or "")
        with pytest.raises(SidecarNotReady):
            leader.where()
        follower = Supervisor(waiting, observer, theirs.note)
        await follower.start()
        assert theirs.last.build_problem == ours.last.build_problem
        await asyncio.sleep(0.2)  # until the watcher has its first look; nothing tells of that
        source.write_text("package main\n")
        await ours.until(lambda standing: standing.takes_requests)
        await theirs.until(lambda standing: standing.takes_requests)
        assert (ours.last.problem, ours.last.build_problem) == (None, None)
        await follower.aclose()
        await leader.aclose()

    run(main())


def test_a_folder_that_cannot_be_watched_is_told(
    run: Run, spec: BuildSpec, go_spec: SidecarSpec, folder: Path, observer: Observer, events: list[Event]
) -> None:
    """When the watching ends, it is said once, and the sidecar goes on."""
    pytest.importorskip("watchfiles")
    seats = Seats(Place(str(folder / "s")), folder, Offer.BOTH)

    class Nobody:
        def tell(self, standing: Standing) -> None: ...
        async def heard(self, generation: int) -> None: ...

    async def main() -> None:
        keeper = Keeper(go_spec, Care(), seats, observer, Nobody())
        workshop = Workshop(replace(spec, folder=folder / "missing"), keeper, observer)
        workshop.watch()
        async with asyncio.timeout(20):
            while not events:  # noqa: ASYNC110 - an observer cannot be waited for
                await asyncio.sleep(0.005)
        await workshop.aclose()

    run(main())
    [told] = [event.problem for event in events if isinstance(event, BuildFailed)]
    assert told.startswith(f"{folder}/missing is not watched any more")


def test_a_start_makes_do_with_the_last_good_program(
    run: Run,
    spec: BuildSpec,
    go_spec: SidecarSpec,
    folder: Path,
    observer: Observer,
) -> None:
    """With a mistake in the source the app starts if a program is there, and does not if there is none."""
    (folder / "main.go").write_text("oops\n")
    sidecar = replace(go_spec, command=(str(spec.program),))
    whole = SupervisorSpec(sidecar, Care(), HomeKey("/forst.toml", "q"), build=replace(spec, watch=()))

    async def main() -> None:
        supervisor = Supervisor(whole, observer, lambda _: None)
        with pytest.raises(BuildError, match="undefined: oops"):
            await supervisor.start()
        (folder / "main.go").write_text("package main\n")
        await build(spec)
        (folder / "main.go").write_text("oops\n")
        await supervisor.start()
        assert "undefined: oops" in (supervisor.standing.build_problem or "")
        await supervisor.aclose()

    run(main())
