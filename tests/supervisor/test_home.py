"""The private directory that workers meet in: where it may be, who lives in it, who leads, when it goes."""

import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from forst_asgi.errors import SidecarError
from forst_asgi.sockets import SOCKET_PATH_LIMIT
from forst_asgi.supervisor import HomeKey, find_homes
from forst_asgi.supervisor.bases import Refused, check_directory, default_bases
from forst_asgi.supervisor.home import move_in, sweep

KEY = HomeKey("/app/forst.toml", "quotes", 7)
LONGEST = len(f"/{KEY.directory_name}/own-01234567.sock")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that only we can write to."""
    tmp_path.chmod(0o700)
    return tmp_path


def test_workers_share_a_private_home_and_the_last_removes_it(base: Path) -> None:
    """Two of one server get the same directory, mode 0700; it is there until both have left."""
    one, two = move_in(KEY, [str(base)]), move_in(KEY, [str(base)])
    assert one.path == two.path
    assert one.path.parent == base
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o700
    assert repr(one) == f"<Home {one.path}>"
    assert not one.leave()
    assert not one.leave()
    assert two.path.is_dir()
    assert two.leave()
    assert list(base.iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [
        HomeKey("/app2/forst.toml", "quotes", 7),
        HomeKey("/app/forst.toml", "search", 7),
        HomeKey(KEY.config, "quotes", 8),
    ],
)
def test_others_have_a_home_of_their_own(base: Path, other: HomeKey) -> None:
    """Another file, another upstream or another process group is another home."""
    one, two = move_in(KEY, [str(base)]), move_in(other, [str(base)])
    assert one.path != two.path
    assert (one.leave(), two.leave()) == (True, True)


def test_the_process_group_is_ours_unless_said(base: Path) -> None:
    """All processes of one group agree without a word."""
    home = move_in(HomeKey("/app/forst.toml", "quotes"), [str(base)])
    assert home.path.name.endswith(f"-{os.getpgrp()}")
    assert find_homes(HomeKey("/app/forst.toml", "quotes"), [str(base)]) == [home.path]
    assert find_homes(HomeKey("/app/other.toml", "quotes"), [str(base)]) == []
    home.leave()


def test_one_leads(base: Path) -> None:
    """The lock has one holder at a time, in whatever process, and the next when that lets go."""
    one, two = move_in(KEY, [str(base)]), move_in(KEY, [str(base)])
    lock = one.try_lead()
    assert lock is not None
    assert two.try_lead() is None
    lock.release()
    lock.release()
    second = two.try_lead()
    assert second is not None
    second.release()
    one.leave()
    two.leave()


def test_locks_end_with_their_process(base: Path) -> None:
    """A worker that is killed leaves no lock, and its directory goes at the next start of anybody."""
    source = (
        "import sys, time\n"
        "from forst_asgi.supervisor.home import HomeKey, move_in\n"
        "home = move_in(HomeKey('/app/forst.toml', 'quotes', 7), [sys.argv[1]])\n"
        "assert home.try_lead()\n"
        "print(home.path, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source, str(base)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        path = Path(worker.stdout.readline().strip())
        (path / "stale.sock").touch()
        sweep(str(base))
        assert path.is_dir()
        mine = move_in(KEY, [str(base)])
        assert mine.try_lead() is None
        mine.leave()
        assert path.is_dir()
        worker.kill()
    other = move_in(HomeKey("/else", "quotes", 9), [str(base)])
    assert not path.exists()
    other.leave()


def test_what_is_not_a_home_is_not_swept(base: Path) -> None:
    """Directories of other names, open ones, and those that are being made are left alone."""
    for name in ("forst-x-1", "forst-0123456789-1", "other"):
        (base / name).mkdir(mode=0o700)
    (base / "forst-0123456789-2").mkdir()
    (base / "forst-0123456789-2").chmod(0o755)
    (base / "forst-0123456789-3").symlink_to(base / "other")
    sweep(str(base))
    assert len(list(base.iterdir())) == 5


def test_a_home_that_was_removed_under_us_is_left_quietly(base: Path) -> None:
    """Somebody else's clean-up does not make a leave fail, nor take a later home of that name with it."""
    one = move_in(KEY, [str(base)])
    one.path.rename(base / "elsewhere")
    two = move_in(KEY, [str(base)])
    assert not one.leave()
    assert two.path.is_dir()
    two.leave()


def test_a_fork_can_let_go(base: Path) -> None:
    """A forked process that abandons its copy does not keep the home alive, nor end ours."""
    home = move_in(KEY, [str(base)])
    home.abandon()
    home.abandon()
    sweep(str(base))
    assert list(base.iterdir()) == []


def test_default_place_can_be_used() -> None:
    """Without further settings there is a place on this machine, and a socket can be bound there."""
    home = move_in(HomeKey("/test", "quotes", 1))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home.path / "quotes.sock"))
    home.leave()


def test_runtime_directory_comes_first() -> None:
    """XDG_RUNTIME_DIR, the user's own below /run, then the temporary directories."""
    bases = list(default_bases({"XDG_RUNTIME_DIR": "/mine"}))
    assert bases[:2] == ["/mine", f"/run/user/{os.geteuid()}"]
    assert bases[-1] == os.path.realpath("/tmp")
    assert next(default_bases({"XDG_RUNTIME_DIR": ""})) == f"/run/user/{os.geteuid()}"


def test_a_home_is_kept_from_cleaners(base: Path) -> None:
    """As long as somebody lives in it systemd-tmpfiles cannot lock it, and its time stamps can be renewed."""
    home = move_in(KEY, [str(base)])
    fd = os.open(home.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for path in (home.path, home.members):
        os.utime(path, (0, 0))
    home.freshen()
    assert all(path.stat().st_mtime > 0 for path in (home.path, home.members))
    home.leave()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
    home.freshen()


def test_a_home_that_is_gone_is_not_there(base: Path) -> None:
    """Nor is one that somebody else made at the same path; that is left alone by who leaves the lost one."""
    lost = move_in(KEY, [str(base)])
    lock = lost.try_lead()
    assert lock is not None
    assert lost.is_there
    assert lock.is_still(lost.leader)
    shutil.rmtree(lost.path)
    assert not lost.is_there
    found = move_in(KEY, [str(base)])
    second = found.try_lead()
    assert second is not None
    assert not lost.is_there
    assert not lock.is_still(lost.leader)
    assert not lost.leave()
    assert found.is_there
    lock.release()
    second.release()
    assert found.leave()


def base_of_length(base: Path, length: int) -> str:
    """Make a directory whose path has just this length."""
    folder = base / ("x" * (length - len(str(base)) - 1))
    folder.mkdir(mode=0o700)
    assert len(str(folder)) == length
    return str(folder)


def test_longest_path_can_be_bound(base: Path) -> None:
    """A path of exactly the limit is accepted, and by the operating system too."""
    home = move_in(KEY, [base_of_length(base, SOCKET_PATH_LIMIT - LONGEST)])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home.path / "own-01234567.sock"))
    home.leave()


def test_too_long_base_gives_way_to_a_shorter(base: Path) -> None:
    """One byte over the limit, and the next base is taken; the long one is left empty."""
    long = base_of_length(base, SOCKET_PATH_LIMIT - LONGEST + 1)
    home = move_in(KEY, [long, str(base)])
    assert home.path.parent == base
    assert list(Path(long).iterdir()) == []
    home.leave()


def test_no_base_will_do(base: Path) -> None:
    """When there is no place, the error says what was tried, why not, and what to do."""
    long = base_of_length(base, 90)
    with pytest.raises(SidecarError) as caught:
        move_in(KEY, [long, str(base / "gone")])
    text = str(caught.value)
    assert "no place for the socket of 'quotes'; set XDG_RUNTIME_DIR to a short path" in text
    assert f"has {90 + LONGEST} bytes, a socket path may have {SOCKET_PATH_LIMIT}" in text
    assert f"\n  {base}/gone: [Errno 2]" in text


def test_unsafe_bases_are_refused(base: Path) -> None:
    """A symbolic link, a file, a relative path and a directory that others can write to are no bases."""
    (base / "real").mkdir(mode=0o700)
    (base / "link").symlink_to(base / "real")
    (base / "file").touch()
    (base / "open").mkdir()
    (base / "open").chmod(0o777)
    bases = [str(base / name) for name in ("link", "file", "open")]
    with pytest.raises(SidecarError) as caught:
        move_in(KEY, [*bases, "relative"])
    text = str(caught.value)
    assert "link: is a symbolic link" in text
    assert "file: is not a directory" in text
    assert "open: others can write to it (mode 0777, not sticky)" in text
    assert "relative: is not an absolute path" in text
    assert find_homes(KEY, bases) == []


def test_a_home_that_somebody_prepared_is_refused(base: Path) -> None:
    """A directory of that name that others can enter, or a link, is not ours."""
    (base / KEY.directory_name).symlink_to("/")
    with pytest.raises(SidecarError, match="is not ours alone"):
        move_in(KEY, [str(base)])


def test_sticky_base_is_accepted(base: Path) -> None:
    """A directory like /tmp, open to all but sticky, is good enough."""
    base.chmod(0o1777)
    assert move_in(KEY, [str(base)]).leave()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_base_of_a_stranger_is_refused(base: Path) -> None:
    """Whoever owns the base could replace our directory."""
    (base / "theirs").mkdir(mode=0o700)
    os.chown(base / "theirs", 12345, -1)
    with pytest.raises(SidecarError, match="belongs to user 12345, neither to us"):
        move_in(KEY, [str(base / "theirs")])


def test_directory_that_is_not_private_is_refused(base: Path) -> None:
    """A file system that does not keep the mode 0700 is no place for a private directory."""
    (base / "shared").mkdir()
    (base / "shared").chmod(0o755)
    with pytest.raises(Refused, match="is not ours alone"):
        check_directory(str(base / "shared"))
