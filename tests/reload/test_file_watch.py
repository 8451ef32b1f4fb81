"""When a change of the file counts."""

import asyncio
import os
from pathlib import Path

import pytest

from forst_asgi.reload.watch import GONE, MOST, FileWatch


async def nothing() -> None:
    """Take note of nothing."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "forst.toml"
    path.write_text("1")
    return path


@pytest.fixture
def watch(path: Path) -> FileWatch:
    """A watch that has told of the file as it is."""
    watch = FileWatch(path, nothing)
    assert [watch.look() for _ in range(3)] == [False, True, False]
    return watch


def test_a_file_counts_once_it_has_settled(watch: FileWatch, path: Path) -> None:
    """The look that finds the same as the one before tells, and only that one."""
    path.write_text("22")
    assert [watch.look() for _ in range(4)] == [False, True, False, False]


def test_rapid_writes_count_once(watch: FileWatch, path: Path) -> None:
    """As long as each look finds another file, nothing is told."""
    for size in range(2, 8):
        path.write_text("x" * size)
        assert not watch.look()
    assert watch.look()


def test_writes_without_end_are_not_waited_for(watch: FileWatch, path: Path) -> None:
    """Who writes again and again is heard in the end."""
    told = []
    for size in range(2, 2 + MOST):
        path.write_text("x" * size)
        told.append(watch.look())
    assert told == [False] * (MOST - 1) + [True]


def test_a_file_that_is_gone_gets_longer(watch: FileWatch, path: Path) -> None:
    """Deleted and written anew is one change; deleted for good is told once."""
    path.unlink()
    assert not any(watch.look() for _ in range(GONE))
    path.write_text("anew")
    assert [watch.look(), watch.look()] == [False, True]
    path.unlink()
    assert [watch.look() for _ in range(GONE + 2)] == [False] * GONE + [True, False]


def test_what_is_as_before_is_no_change(watch: FileWatch, path: Path) -> None:
    """A file that was moved away and back again is the same."""
    path.rename(path.with_suffix(".away"))
    assert not watch.look()
    path.with_suffix(".away").rename(path)
    assert watch.look() in {False, True}  # the rename may count as a change of the inode
    watch.look()
    assert not watch.look()


def test_a_link_that_is_turned_counts(tmp_path: Path) -> None:
    """A folder's link is turned to another one, as a mounted ConfigMap is; the file's own link stays."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "forst.toml").write_text("same")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "forst.toml").symlink_to("data/forst.toml")
    watch = FileWatch(tmp_path / "forst.toml", nothing)
    assert [watch.look(), watch.look()] == [False, True]
    (tmp_path / "data~").symlink_to("two")
    os.replace(tmp_path / "data~", tmp_path / "data")  # noqa: PTH105 - of a link, not of what it leads to
    assert [watch.look(), watch.look()] == [False, True]


def test_a_file_that_cannot_be_looked_at_counts(tmp_path: Path) -> None:
    """A link that leads to itself is told once, like a missing file."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    watch = FileWatch(loop, nothing)
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_it_looks_until_it_rests(path: Path) -> None:
    """Started twice it looks once; at rest it tells no more, and can be started again."""
    told = asyncio.Event()

    async def tell() -> None:
        told.set()

    async def main() -> None:
        watch = FileWatch(path, tell, 0.001)
        assert repr(watch).endswith("off>")
        for _ in range(2):
            watch.start()
            task = watch._task
            watch.start()
            assert watch._task is task
            await told.wait()
            told.clear()
            watch.rest()
            assert task is not None
            await asyncio.wait([task])
        watch.start()
        await watch.aclose()
        await watch.aclose()

    asyncio.run(main())
