"""A place for a Unix socket that nobody else can reach."""

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from forst_asgi.errors import SidecarError
from forst_asgi.supervisor import private_socket
from forst_asgi.supervisor.runtime_dir import SOCKET_PATH_LIMIT, _check_directory, _Refused, default_bases

DIRECTORY_LENGTH = len("/forst-12345678/quotes.sock")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that only we can write to."""
    tmp_path.chmod(0o700)
    return tmp_path


def test_directory_is_fresh_private_and_removed(base: Path) -> None:
    """Each call makes a directory of its own with mode 0700, and removes it with the socket in it."""
    with private_socket("quotes", [str(base)]) as one, private_socket("quotes", [str(base)]) as two:
        assert one.path != two.path
        folder = Path(one.path).parent
        assert folder.parent == base
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert Path(one.path).name == "quotes.sock"
        assert repr(one) == f"<PrivateSocket {one.path}>"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(one.path)
    assert list(base.iterdir()) == []


def test_close_is_idempotent(base: Path) -> None:
    """`aclose` removes the directory; what is gone already is no error."""
    private = private_socket("quotes", [str(base)])
    asyncio.run(private.aclose())
    private.remove()
    assert list(base.iterdir()) == []


def test_default_place_can_be_used() -> None:
    """Without further settings there is a place on this machine, and a socket can be bound there."""
    with private_socket("quotes") as private, socket.socket(socket.AF_UNIX) as server:
        server.bind(private.path)


def test_runtime_directory_comes_first() -> None:
    """XDG_RUNTIME_DIR, the user's own below /run, then the temporary directories."""
    bases = list(default_bases({"XDG_RUNTIME_DIR": "/mine"}))
    assert bases[:2] == ["/mine", f"/run/user/{os.geteuid()}"]
    assert bases[-1] == os.path.realpath("/tmp")
    assert next(default_bases({"XDG_RUNTIME_DIR": ""})) == f"/run/user/{os.geteuid()}"


def base_of_length(base: Path, length: int) -> str:
    """Make a directory whose path has just this length."""
    folder = base / ("x" * (length - len(str(base)) - 1))
    folder.mkdir(mode=0o700)
    assert len(str(folder)) == length
    return str(folder)


def test_longest_path_can_be_bound(base: Path) -> None:
    """A path of exactly the limit is accepted, and by the operating system too."""
    longest = base_of_length(base, SOCKET_PATH_LIMIT - DIRECTORY_LENGTH)
    with private_socket("quotes", [longest]) as private, socket.socket(socket.AF_UNIX) as server:
        assert len(private.path) == SOCKET_PATH_LIMIT
        server.bind(private.path)


def test_too_long_base_gives_way_to_a_shorter(base: Path) -> None:
    """One byte over the limit, and the next base is taken; the long one is left empty."""
    long = base_of_length(base, SOCKET_PATH_LIMIT - DIRECTORY_LENGTH + 1)
    with private_socket("quotes", [long, str(base)]) as private:
        assert Path(private.path).parent.parent == base
    assert list(Path(long).iterdir()) == []


def test_no_base_will_do(base: Path) -> None:
    """When there is no place, the error says what was tried, why not, and what to do."""
    long = base_of_length(base, 90)
    with pytest.raises(SidecarError) as caught:
        private_socket("quotes", [long, str(base / "gone")])
    text = str(caught.value)
    assert "no place for the socket of 'quotes'; set XDG_RUNTIME_DIR to a short path" in text
    assert f"has {90 + DIRECTORY_LENGTH} bytes, a socket path may have {SOCKET_PATH_LIMIT}" in text
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
        private_socket("quotes", [*bases, "relative"])
    text = str(caught.value)
    assert "link: is a symbolic link" in text
    assert "file: is not a directory" in text
    assert "open: others can write to it (mode 0777, not sticky)" in text
    assert "relative: is not an absolute path" in text


def test_sticky_base_is_accepted(base: Path) -> None:
    """A directory like /tmp, open to all but sticky, is good enough."""
    base.chmod(0o1777)
    private_socket("quotes", [str(base)]).remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_base_of_a_stranger_is_refused(base: Path) -> None:
    """Whoever owns the base could replace our directory."""
    (base / "theirs").mkdir(mode=0o700)
    os.chown(base / "theirs", 12345, -1)
    with pytest.raises(SidecarError, match="belongs to user 12345, neither to us"):
        private_socket("quotes", [str(base / "theirs")])


def test_directory_that_is_not_private_is_refused(base: Path) -> None:
    """A file system that does not keep the mode 0700 is no place for a private directory."""
    (base / "shared").mkdir()
    (base / "shared").chmod(0o755)
    with pytest.raises(_Refused, match="is not ours alone"):
        _check_directory(str(base / "shared"))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a\0", "a\n", "\u00fc"])
def test_name_that_cannot_name_a_file(base: Path, name: str) -> None:
    """A name that could lead out of the directory, or confuse a reader of the log, is refused."""
    with pytest.raises(SidecarError, match="cannot name a socket"):
        private_socket(name, [str(base)])
    assert list(base.iterdir()) == []
