"""The file that keeps the state."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from forst_asgi.errors import StateError
from forst_asgi.flags import Mark, State, StateFile, kill, set_mode, unkill
from forst_asgi.flags.file import LARGEST, Step

ADA = Mark("ada", "2025-01-31T12:00:00Z", "a try")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file shall be, in a folder that is not there yet."""
    return tmp_path / "state" / "flags.json"


def test_a_file_that_is_not_there_says_nothing(path: Path) -> None:
    """No file is no change, and no error; also when the folder is something else."""
    assert (StateFile(path).read(), StateFile(path).signature()) == (None, None)
    path.parent.touch()
    assert (StateFile(path).read(), StateFile(path).signature()) == (None, None)


def test_a_change_can_be_read_by_everybody(path: Path) -> None:
    """The first change makes folder and file; another object, as in another process, reads it."""
    state = StateFile(path).change(kill("a", ADA))
    assert StateFile(path).read() == state
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444
    assert sorted(each.name for each in path.parent.iterdir()) == ["flags.json", "flags.json.lock"]


def test_every_change_has_another_signature(path: Path) -> None:
    """Even changes to and fro within one tick of the clock can be told apart from the last one."""
    file, seen = StateFile(path), set()
    for transition in [kill("a", ADA), unkill("a", ADA)] * 20:
        file.change(transition)
        seen.add(file.signature())
    assert len(seen) == 40


CHANGES = """
import sys
from pathlib import Path
from forst_asgi.flags import Mark, StateFile, set_mode
file = StateFile(Path(sys.argv[1]), lock_timeout_s=60)
for number in range(int(sys.argv[3])):
    file.change(set_mode(sys.argv[2], "canary", number + 1, Mark("p", "w", str(number))))
"""


@pytest.mark.slow
def test_no_change_is_lost_among_processes(path: Path) -> None:
    """Four processes change the file at the same time; every change is in the end in it."""
    command = [sys.executable, "-c", CHANGES, str(path)]
    writers = [subprocess.Popen([*command, name, "20"]) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    state = StateFile(path).read()
    assert state is not None
    assert state.generation == 80
    assert {name: state.route(name).percent for name in "abcd"} == dict.fromkeys("abcd", 20)


DIES = """
import os, signal, sys
from pathlib import Path
from forst_asgi.flags import Mark, StateFile, set_mode

def after(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

StateFile(Path(sys.argv[1]), after=after).change(set_mode("a", "on", None, Mark("p", "w", "x" * 10_000)))
"""

STEPS: tuple[Step, ...] = get_args(Step)


@pytest.mark.parametrize("step", STEPS)
def test_a_writer_that_is_killed_leaves_the_old_or_the_new(path: Path, step: str) -> None:
    """After SIGKILL at any step the file is whole, and the next change goes through and tidies up."""
    before = StateFile(path).change(set_mode("a", "off", None, ADA))
    writer = subprocess.run([sys.executable, "-c", DIES, str(path), step], check=False)
    assert writer.returncode == -signal.SIGKILL
    found = StateFile(path).read()
    assert found is not None
    if STEPS.index(step) < STEPS.index("renamed"):
        assert found == before
    else:
        assert (found.generation, found.route("a").mode) == (2, "on")
    state = StateFile(path, lock_timeout_s=1).change(kill("b", ADA))
    assert (state.generation, state.route("a").mode) == (found.generation + 1, found.route("a").mode)
    assert sorted(each.name for each in path.parent.iterdir()) == ["flags.json", "flags.json.lock"]


HOLDS = """
import sys, time
from pathlib import Path
from forst_asgi.flags import Mark, StateFile, kill

def after(step):
    if step == "locked":
        print("locked", flush=True)
        sys.stdin.read()

StateFile(Path(sys.argv[1]), after=after).change(kill("held", Mark("p", "w", "y")))
"""


def test_a_change_waits_for_the_one_before_it(path: Path) -> None:
    """While somebody else holds the lock a change waits, and says so when it takes too long."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(StateError, match=r"flags.json: another change has been going on for 0.1 s"):
            StateFile(path, lock_timeout_s=0.1).change(kill("a", ADA))
        assert StateFile(path).read() is None
        holder.stdin.close()
        state = StateFile(path, lock_timeout_s=60).change(kill("a", ADA))
    assert set(state.routes) == {"held", "a"}


def _fail(_state: State) -> State:
    raise RuntimeError("a mistake in a transition")


def test_a_transition_that_fails_changes_nothing(path: Path) -> None:
    """The file is as it was, and not locked."""
    before = StateFile(path).change(kill("a", ADA))
    with pytest.raises(RuntimeError, match="a mistake"):
        StateFile(path).change(_fail)
    assert StateFile(path, lock_timeout_s=0).read() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is not JSON"), (b"\xff", "is not JSON: .*can't decode"), (b" " * (LARGEST + 1), "is larger")],
)
def test_what_is_no_state_is_an_error(path: Path, content: bytes, problem: str) -> None:
    """It can neither be read nor changed, and the file stays for a person to look at."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StateError, match=rf"flags\.json: .*{problem}"):
        StateFile(path).read()
    with pytest.raises(StateError, match=problem):
        StateFile(path).change(kill("a", ADA))
    assert path.read_bytes() == content


def test_a_kill_of_all_puts_aside_what_cannot_be_read(path: Path) -> None:
    """In an emergency the change goes through, and what was there is kept beside it."""
    path.parent.mkdir()
    path.write_text("{")
    state = StateFile(path).change(kill(None, ADA), discards_unreadable=True)
    assert (state.killed, StateFile(path).read()) == (ADA, state)
    assert path.with_name("flags.json.unreadable").read_text() == "{"


def test_what_was_killed_stays_so_when_the_rest_is_put_aside(path: Path) -> None:
    """Taking the kill of all back later must not let through what was killed before the file broke."""
    StateFile(path).change(set_mode("a", "on", None, ADA))
    StateFile(path).change(kill("b", ADA))
    path.write_text(path.read_text().replace('"on"', '"half"'))
    state = StateFile(path).change(kill(None, ADA), discards_unreadable=True)
    assert (state.killed, state.route("b").killed, state.route("a").mode) == (ADA, ADA, None)
    assert StateFile(path).read() == state


@pytest.mark.parametrize(
    ("break_", "problem"),
    [
        (lambda path: path.mkdir(parents=True), "cannot be read: is a directory"),
        (lambda path: path.parent.symlink_to(path.parent), "cannot be .*too many levels"),
    ],
)
def test_what_the_system_refuses_is_an_error(
    path: Path, break_: Callable[[Path], None], problem: str
) -> None:
    """What goes wrong beneath has the file's name on it."""
    break_(path)
    with pytest.raises(StateError, match=problem):
        StateFile(path).read()
    with pytest.raises(StateError, match=r"flags\.json: cannot be"):
        StateFile(path).change(kill("a", ADA))


def test_a_folder_that_cannot_be_entered_is_an_error(path: Path) -> None:
    """Not knowing is not the same as no change."""
    path.parent.symlink_to(path.parent)
    with pytest.raises(StateError, match="cannot be looked at"):
        StateFile(path).signature()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A change that cannot be made says why."""
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(StateError, match=r"cannot be changed: .*(not a directory|exists)"):
        StateFile(blocked / "flags.json").change(kill("a", ADA))


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """Files are nobody else's, unless somebody sees to it, as hardened accounts have it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("strict_umask")
def test_workers_of_another_user_can_read_what_a_strict_umask_made(path: Path) -> None:
    """A kill that is only readable for who made it would not be one."""
    StateFile(path).change(kill("a", ADA))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (path.parent, *path.parent.iterdir())}
    assert modes == {"state": 0o755, "flags.json": 0o644, "flags.json.lock": 0o644}


@pytest.mark.usefixtures("strict_umask")
def test_rights_stay_as_they_were(path: Path) -> None:
    """Whoever has restricted or opened the file finds it so after a change."""
    StateFile(path).change(kill("a", ADA))
    path.chmod(0o660)
    StateFile(path).change(kill("b", ADA))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_stays_the_property_of_the_others(tmp_path: Path) -> None:
    """A change with sudo leaves nothing behind that the service's own user could not change."""
    os.chown(tmp_path, 4711, 4712)
    path = tmp_path / "new" / "flags.json"
    for _ in range(2):
        StateFile(path).change(kill("a", ADA))
        found = [path.parent, *path.parent.iterdir()]
        assert {(each.stat().st_uid, each.stat().st_gid) for each in found} == {(4711, 4712)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to everything")
def test_a_lock_that_may_only_be_read_is_enough(path: Path) -> None:
    """Another user's change goes through where the folder can be written and the lock cannot."""
    StateFile(path).change(kill("a", ADA))
    path.with_name("flags.json.lock").chmod(0o444)
    assert StateFile(path).change(kill("b", ADA)).generation == 2


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    """Releases that each have a link to one file go on sharing it, and its lock."""
    path.parent.mkdir()
    links = [tmp_path / "one.json", tmp_path / "two.json"]
    for link in links:
        link.symlink_to(path)
        StateFile(link).change(kill(link.stem, ADA))
    assert all(link.is_symlink() for link in links)
    state = StateFile(path).read()
    assert state is not None
    assert set(state.routes) == {"one", "two"}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one.json", "state", "two.json"]


def test_what_nobody_could_read_is_not_written(path: Path) -> None:
    """A state that grew beyond all measure stays as it was."""
    before = StateFile(path).change(kill("a", ADA))
    huge = Mark("ada", "now", "x" * LARGEST)
    with pytest.raises(StateError, match=r"flags\.json: would be larger than"):
        StateFile(path).change(kill("b", huge))
    assert StateFile(path).read() == before


def test_a_disk_that_is_full_leaves_the_old(path: Path) -> None:
    """The change says why it could not be made, and leaves nothing beside the file."""
    before = StateFile(path).change(kill("a", ADA))

    def full(step: Step) -> None:
        if step == "written":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StateError, match=r'no space left on device; "state" in the table \[flags\] names'):
        StateFile(path, after=full).change(kill("b", ADA))
    assert StateFile(path).read() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["flags.json", "flags.json.lock"]


def test_leftovers_of_a_file_with_an_odd_name_are_tidied_up(tmp_path: Path) -> None:
    """Brackets in a name are no pattern."""
    path = tmp_path / "flags[1].json"
    (tmp_path / f".flags[1].json.{os.getpid()}.tmp").touch()
    assert StateFile(path).change(kill("a", ADA)).generation == 1


def test_an_older_file_put_back_with_its_times_is_another(path: Path) -> None:
    """Who restores a copy with `cp -p` over the file is noticed, though its size and time are as before."""
    file = StateFile(path)
    file.change(kill("a", ADA))
    before, times = file.signature(), path.stat()
    path.write_text(path.read_text().replace("killed", "KILLED"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.signature() != before


def test_it_shows_its_path(path: Path) -> None:
    """Its repr says which file it is."""
    assert repr(StateFile(path)) == f"<StateFile {path}>"
    assert os.fspath(StateFile(path).path) == str(path)
