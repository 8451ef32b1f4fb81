"""Where the state file is: links that somebody planted, owners, rights, and who may change it."""

import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forst_asgi.errors import StateError
from forst_asgi.flags import Mark, State, StateFile, kill
from forst_asgi.flags.place import Place, opened

ADA = Mark("ada", "2025-01-31T12:00:00Z", "a try")
SERVICE, GROUP, OTHER = 4711, 4712, 4713

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder of ours that every user can enter."""
    made = Path(os.path.realpath(tempfile.mkdtemp()))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def service(top: Path) -> Path:
    """The folder of the service, which may put anything there."""
    made = top / "service"
    made.mkdir()
    os.chown(made, SERVICE, GROUP)
    return made


@pytest.fixture
def roots(top: Path) -> Path:
    """A file in a folder where only root may write."""
    folder = top / "etc"
    folder.mkdir()
    file = folder / "shadow"
    file.write_text("root:secret\n")
    file.chmod(0o600)
    return file


@contextmanager
def acting_as(user: int, group: int = GROUP) -> Iterator[None]:
    """Be another user for a while."""
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def plant(link: Path, target: Path, user: int = SERVICE) -> Path:
    """Make a link that is a user's."""
    link.symlink_to(target)
    os.chown(link, user, user, follow_symlinks=False)
    return link


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    """Return whose a file is, and what its rights are."""
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def change(path: Path) -> State:
    """Kill all routes, as in an emergency."""
    return StateFile(path, lock_timeout_s=1).change(kill(None, ADA), discards_unreadable=True)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_in_the_place_of_the_lock_is_refused(tmp_path: Path, *, is_there: bool) -> None:
    """Neither is what it leads to made, nor opened; the message says where it is and what to do."""
    target = tmp_path / "ld.so.preload"
    if is_there:
        target.touch(0o600)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "flags.json.lock").symlink_to(target)
    with pytest.raises(StateError, match=r"state/flags\.json\.lock: is a symbolic link, .* and remove it"):
        change(tmp_path / "state" / "flags.json")
    assert target.exists() is is_there


@only_root
def test_root_follows_no_link_of_the_service_to_the_state(service: Path, roots: Path) -> None:
    """What it leads to stays as it is; the message says whose link it is and what to do."""
    plant(service / "flags.json", roots)
    expected = r'service/flags\.json is a symbolic link that the user 4711 can .* --state FILE"'
    with pytest.raises(StateError, match=expected):
        change(service / "flags.json")
    assert [each.name for each in roots.parent.iterdir()] == ["shadow"]
    assert (roots.read_text(), owner_and_mode(roots)) == ("root:secret\n", (0, 0, 0o600))


@only_root
def test_root_follows_no_link_of_the_service_to_a_folder(service: Path, roots: Path) -> None:
    """Nothing is made in the folder that it leads to."""
    plant(service / ".forst", roots.parent)
    with pytest.raises(StateError, match=r"service/\.forst is a symbolic link"):
        change(service / ".forst" / "flags.json")
    assert [each.name for each in roots.parent.iterdir()] == ["shadow"]


@only_root
@pytest.mark.parametrize(
    ("prepare", "is_followed"),
    [
        (lambda folder: folder.chmod(0o755), True),
        (lambda folder: folder.chmod(0o1777), True),
        (lambda folder: folder.chmod(0o775), False),
        (lambda folder: os.chown(folder, SERVICE, 0), False),
        (lambda folder: os.chown(folder.parent, SERVICE, 0), False),
    ],
)
def test_root_follows_links_that_only_root_can_have_put_there(
    top: Path, service: Path, prepare: Callable[[Path], None], *, is_followed: bool
) -> None:
    """As /var/run is one; in a folder of somebody else's, even root's own links can be moved."""
    folder = top / "above" / "var"
    folder.mkdir(parents=True)
    (folder / "run").symlink_to("../../service")
    prepare(folder)
    if is_followed:
        assert change(folder / "run" / "app" / "flags.json").killed == ADA
        assert owner_and_mode(service / "app" / "flags.json") == (SERVICE, GROUP, 0o644)
    else:
        with pytest.raises(StateError, match="var/run is a symbolic link that"):
            change(folder / "run" / "app" / "flags.json")
        assert list(service.iterdir()) == []


@only_root
def test_the_service_follows_its_own_links(service: Path) -> None:
    """It has no rights to lose by it, and releases may share a file that way."""
    (service / "shared").mkdir()
    os.chown(service / "shared", SERVICE, GROUP)
    plant(service / "current", service / "shared")
    with acting_as(SERVICE):
        change(service / "current" / "flags.json")
    assert owner_and_mode(service / "shared" / "flags.json") == (SERVICE, GROUP, 0o644)


@only_root
def test_root_and_the_service_take_turns(service: Path) -> None:
    """Whoever comes first, each can change what the other has made, and the service owns all of it."""
    service.parent.chmod(0o711)
    path = service / "state" / "deep" / "flags.json"
    for generation in (1, 3):
        assert change(path).generation == generation
        with acting_as(SERVICE):
            assert change(path).generation == generation + 1
            assert StateFile(path).read() is not None
    made = [path, path.with_name("flags.json.lock"), path.parent, path.parent.parent]
    assert {owner_and_mode(each)[:2] for each in made} == {(SERVICE, GROUP)}


@only_root
def test_somebody_of_the_group_may_kill(service: Path) -> None:
    """Where the folder is the group's, too: the file stays the group's, so that the service can read it."""
    service.chmod(0o770)
    path = service / "flags.json"
    with acting_as(SERVICE):
        change(path)
    path.chmod(0o640)
    with acting_as(OTHER):
        assert change(path).generation == 2
    assert owner_and_mode(path) == (OTHER, GROUP, 0o640)
    with acting_as(SERVICE):
        assert change(path).generation == 3


@only_root
def test_a_group_that_is_not_ours_is_left_out(service: Path) -> None:
    """Who is not in the file's group cannot give it to that, and the change goes through all the same."""
    service.chmod(0o777)
    path = service / "flags.json"
    change(path)
    with acting_as(OTHER, OTHER):
        change(path)
    assert owner_and_mode(path) == (OTHER, OTHER, 0o644)


@only_root
def test_a_file_with_two_names_is_not_given_away(service: Path, roots: Path) -> None:
    """A lock that is another name of a file of root's is locked, and nothing else."""
    (service / "flags.json.lock").hardlink_to(roots)
    change(service / "flags.json")
    assert (roots.read_text(), owner_and_mode(roots)) == ("root:secret\n", (0, 0, 0o600))


def test_what_is_planted_as_a_leftover_is_removed(tmp_path: Path) -> None:
    """A link itself, and not what it leads to; what cannot be removed does not stand in the way."""
    (tmp_path / "precious").touch()
    (tmp_path / ".flags.json.1.tmp").symlink_to(tmp_path / "precious")
    (tmp_path / ".flags.json.2.tmp").mkdir()
    change(tmp_path / "flags.json")
    names = {".flags.json.2.tmp", "flags.json", "flags.json.lock", "precious"}
    assert {each.name for each in tmp_path.iterdir()} == names


def test_a_state_file_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe is refused at once, and put aside by a kill of all."""
    path = tmp_path / "flags.json"
    os.mkfifo(path)
    with pytest.raises(StateError, match=r"flags\.json: cannot be read: it is no regular file"):
        StateFile(path).read()
    with pytest.raises(StateError, match=r"flags\.json: cannot be read: it is no regular file"):
        StateFile(path).change(kill("a", ADA))
    assert change(path).killed == ADA
    assert StateFile(path).remains.is_fifo()


def test_a_lock_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nobody knows what locking anything else would do."""
    os.mkfifo(tmp_path / "flags.json.lock")
    with pytest.raises(StateError, match=r"flags\.json: cannot be changed: it is no regular file"):
        change(tmp_path / "flags.json")


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """Files are nobody else's, unless somebody sees to it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@only_root
@pytest.mark.usefixtures("strict_umask")
def test_all_folders_that_are_made_can_be_entered(service: Path) -> None:
    """Not only the innermost one: a worker of another user has to come through all of them."""
    service.chmod(0o2755)
    change(service / "var" / "lib" / "flags.json")
    made = {each.name: owner_and_mode(each) for each in (service / "var", service / "var" / "lib")}
    assert made == {"var": (SERVICE, GROUP, 0o2755), "lib": (SERVICE, GROUP, 0o2755)}


@only_root
def test_a_folder_that_was_exchanged_is_not_given_away(
    service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who puts a folder of root's where root has just made one does not get it."""
    roots = service / "roots"
    roots.mkdir(0o700)
    (roots / "precious").touch()
    mkdir = os.mkdir

    def exchange(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        (service / name).rename(service / "away")
        roots.rename(service / name)

    monkeypatch.setattr(os, "mkdir", exchange)  # nobody is quick enough for it in a test
    with pytest.raises(StateError, match="somebody else is making its folder; try again"):
        change(service / ".forst" / "flags.json")
    assert owner_and_mode(service / ".forst") == (0, 0, 0o700)


def test_a_folder_that_somebody_makes_just_now_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first changes at the same time are no mistake."""
    mkdir = os.mkdir

    def late(name: str, mode: int, *, dir_fd: int) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        mkdir(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", late)  # nobody is quick enough for it in a test
    assert change(tmp_path / ".forst" / "flags.json").killed == ADA


class Late(Place):
    """A place where somebody else makes each file at the moment when it is missed."""

    def open(self, name: str, flags: int) -> int:
        try:
            return super().open(name, flags)
        except FileNotFoundError:
            os.close(os.open(name, os.O_CREAT, 0o644, dir_fd=self.folder))
            raise


def test_a_lock_that_somebody_makes_just_now_will_do(tmp_path: Path) -> None:
    """Both lock the same file."""
    with opened(tmp_path / "flags.json") as place:
        lock = Late(place.folder, place.path).lock_file()
        other = place.lock_file()
        assert os.path.sameopenfile(lock, other)
        os.close(lock)
        os.close(other)
        assert repr(place) == f"<Place {tmp_path}/flags.json>"


@pytest.mark.parametrize("target", [".", "/", "folder", "loop"])
def test_a_link_that_leads_to_no_name_is_an_error(tmp_path: Path, target: str) -> None:
    """There is nothing that could be written."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "flags.json").symlink_to(target)
    with pytest.raises(StateError, match=r"flags\.json: cannot be changed: (is a directory|too many levels)"):
        change(tmp_path / "flags.json")
    assert (tmp_path / "folder").is_dir()


@only_root
def test_the_owner_of_a_link_may_have_a_name(service: Path, roots: Path) -> None:
    """Then the message has it."""
    known = next(each for each in pwd.getpwall() if each.pw_uid != 0)
    plant(service / "flags.json", roots, known.pw_uid)
    with pytest.raises(StateError, match=f'that the user "{known.pw_name}" can direct'):
        change(service / "flags.json")
