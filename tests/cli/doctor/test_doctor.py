"""forst-asgi doctor: what it finds, and how it says so."""

import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.cli.doctor.finding import Finding
from forst_asgi.cli.doctor.go import check_builders, check_go
from forst_asgi.cli.doctor.places import check_leftovers, check_places, knock
from forst_asgi.cli.doctor.processes import check_orphans, processes
from forst_asgi.cli.doctor.servers import check_server, flags_of
from forst_asgi.cli.doctor.versions import check_versions, installed
from forst_asgi.config import Config, UpstreamConfig

HEAD = '[sidecar]\ncommand = ["./bin/sidecar"]\n'


def found(findings: Iterator[Finding], subject: str) -> list[tuple[str, str]]:
    """Status and text of the findings about a subject."""
    return [(each.status, each.text) for each in findings if each.subject == subject]


def test_all_is_well(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """Each line says ok, and so does the status."""
    config(HEAD)
    result = invoke("doctor", "--server", "uvicorn app:app")
    assert result.exit_code == 0, result.output
    assert "ok    configuration: forst.toml: no mistakes\n" in result.stdout
    assert "ok    upstream sidecar: a private socket" in result.stdout
    assert "fail" not in result.stdout


def test_a_mistake_fails_with_its_remedy(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """What keeps the app from working is told with what to do, and the status is 1."""
    config(HEAD + '[[route]]\nid = "a"\npath = "/a"\nauth = "no.such:thing"\n')
    result = invoke("doctor")
    assert result.exit_code == 1
    assert 'fail  configuration: forst.toml:6: route "a": auth = "no.such:thing"' in result.stdout
    assert "\n      -> see forst-asgi check\n" in result.stdout


def test_without_a_configuration(invoke: Callable[..., Any], folder: Path) -> None:
    """The rest is looked at all the same."""
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "fail  configuration: no configuration found; looked for forst.toml" in result.stdout
    assert " orphans: " in result.stdout


def test_for_programs(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """With --json it is a list of findings."""
    config(HEAD.replace("./bin/sidecar", "./bin/missing"))
    listed = json.loads(invoke("doctor", "--json").stdout)
    assert {tuple(each) for each in listed} == {("status", "subject", "text", "remedy")}
    (doubt,) = [each for each in listed if each["subject"] == "configuration"]
    assert doubt["status"] == "warn"
    assert "there is no file" in doubt["text"]


def test_versions_that_are_missing() -> None:
    """Without server, uvloop and httptools there is a remedy for each."""
    findings = [*check_versions(lambda name: None)]
    assert [(each.subject, each.remedy != "") for each in findings if each.status == "warn"] == [
        ("server", True),
        ("event loop", True),
        ("http parser", True),
    ]
    assert installed("no-such-distribution") is None


@pytest.mark.parametrize(("is_needed", "status"), [(True, "fail"), (False, "warn")])
def test_without_go(is_needed: bool, status: str) -> None:  # noqa: FBT001 - a parameter of the test
    """It is a failure only where the app has to build something."""
    (finding,) = check_go(is_needed=is_needed, commands=[])
    assert (finding.status, finding.text) == (status, "there is no Go toolchain")
    assert "https://go.dev/dl/" in finding.remedy


def test_a_build_command_that_is_not_in_path(tmp_path: Path) -> None:
    """A toolchain that is found elsewhere helps an app nothing that calls it by name."""
    config = upstream(build="go build -o {out} .")
    (finding,) = check_builders(config, str(tmp_path))
    assert finding.status == "fail"
    assert finding.text == "upstream sidecar: `go` of its build command is not in PATH"
    (tmp_path / "go").touch(mode=0o755)
    assert [*check_builders(config, str(tmp_path))] == []
    assert [*check_builders(upstream(command=["./x"]), "")] == []


def test_a_go_that_is_too_old(tmp_path: Path) -> None:
    """Its version is told."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go version go1.20.1 linux/amd64\n")
    old.chmod(0o755)
    (finding,) = check_go(is_needed=True, commands=[str(old)])
    assert finding.text == f"{old} is go1.20.1, which is too old"


def upstream(**keys: Any) -> Config:
    """A configuration with one upstream."""
    return Config(sidecar=UpstreamConfig(**keys))


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """Somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


def test_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is free, missing, in use, or stale; what that means depends on who starts the sidecar."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o700)
    path = tmp_path / "s"
    ours, theirs = upstream(command=["x"], socket=path), upstream(address=f"unix:{path}")

    def both() -> list[str]:
        return [found(check_places(each, []), "upstream sidecar")[0][0] for each in (ours, theirs)]

    assert both() == ["ok", "warn"]
    with listening(path):
        assert both() == ["ok", "ok"]
    ((status, text),) = found(check_places(ours, []), "upstream sidecar")
    assert (status, text) == ("warn", f"{path} is stale: nobody listens on it any more")
    path.unlink()
    path.symlink_to(path)
    assert both() == ["fail", "fail"]


def test_directories_of_sockets(tmp_path: Path) -> None:
    """One that others can write to is not safe, and one that is not there has to be made."""
    tmp_path.chmod(0o777)
    config = upstream(command=["x"], socket=tmp_path / "s")
    ((status, text), _) = found(check_places(config, []), "upstream sidecar")
    assert (status, "others could put a socket there" in text) == ("warn", True)
    tmp_path.chmod(0o700)
    config = upstream(command=["x"], socket=tmp_path / "no" / "s")
    (finding, _) = check_places(config, [])
    assert (finding.status, finding.remedy) == ("fail", f"mkdir -m 700 {tmp_path / 'no'}")


def test_ports() -> None:
    """A port is free, or somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert found(check_places(upstream(address=address), []), "upstream sidecar")[0][0] == "ok"
        ours = upstream(address=address, command=["x"])
        assert found(check_places(ours, []), "upstream sidecar")[0][0] == "warn"
    assert found(check_places(ours, []), "upstream sidecar")[0][0] == "ok"
    assert found(check_places(upstream(address=address), []), "upstream sidecar")[0][0] == "warn"


def test_places_for_private_sockets(tmp_path: Path) -> None:
    """The first that will do is named; if there is none, the reason for each is."""
    long = tmp_path / ("x" * 100)
    long.mkdir(mode=0o700)
    config = upstream(command=["x"])
    ((status, text),) = found(check_places(config, [str(tmp_path / "no"), str(long)]), "upstream sidecar")
    assert status == "fail"
    assert f"{tmp_path / 'no'}: No such file or directory; {long}: a socket in it has a path of" in text
    short = Path("/tmp").resolve()
    assert found(check_places(config, [str(long), str(short)]), "upstream sidecar")[0][0] == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    """It is no place for a socket."""
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    ((status, text),) = found(check_places(upstream(command=["x"]), [str(tmp_path)]), "upstream sidecar")
    assert (status, "is not writable" in text) == ("fail", True)


def test_directories_that_nobody_lives_in(tmp_path: Path) -> None:
    """Only those are left over whose lock nobody holds."""
    dead, alive = tmp_path / "forst-0123456789-1", tmp_path / "forst-0123456789-2"
    for each in (dead, alive):
        each.mkdir()
        (each / "members").touch()
    (tmp_path / "forst-0123456789-3").mkdir()
    (tmp_path / "forst-0123456789-3" / "members").symlink_to("nowhere")
    with (alive / "members").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        (finding,) = check_leftovers([str(tmp_path)])
        assert (finding.status, finding.remedy) == ("warn", f"rm -r {dead}")
        (dead / "members").unlink()
        assert [each.status for each in check_leftovers([str(tmp_path)])] == ["ok"]


def test_knocking_at_what_is_no_socket(tmp_path: Path) -> None:
    """A path that is too long cannot be connected to."""
    assert knock(str(tmp_path / ("x" * 200))) == "unreachable"


def process(proc: Path, pid: int, parent: int, *command: str, **environ: str) -> Path:
    """A process as proc(5) shows it; the folder of the test is its working directory."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(f"{word}\0".encode() for word in command))
    (folder / "environ").write_text("\0".join(f"{key}={value}" for key, value in environ.items()))
    (folder / "stat").write_text(f"{pid} (a (b) c) S {parent} 1 1")
    (folder / "cwd").symlink_to(Path.cwd())
    return folder


def test_orphans(tmp_path: Path) -> None:
    """A sidecar that was started by an app, but has the system's first process as parent."""
    process(tmp_path, 1, 0, "/sbin/init")
    process(tmp_path, 7, 1, "/app/bin/sidecar", FORST_LIFELINE="3")
    process(tmp_path, 8, 5, "/app/bin/sidecar", FORST_LIFELINE="3")
    process(tmp_path, 9, 1, "/app/bin/sidecar", FORST_LISTEN="unix:/x")
    process(tmp_path, 10, 1, FORST_LIFELINE="3")
    (tmp_path / "11").mkdir()  # ended meanwhile
    (process(tmp_path, 12, 1, "x") / "cwd").unlink()
    (finding,) = check_orphans(tmp_path)
    assert (finding.status, finding.remedy) == ("warn", "kill 7")
    assert "sidecar (process 7) was started by an app that is gone" in finding.text


def test_in_a_container_the_app_may_be_process_1(tmp_path: Path) -> None:
    """Then its sidecar is no orphan."""
    process(tmp_path, 1, 0, "/usr/bin/python3", "-m", "uvicorn")
    process(tmp_path, 7, 1, "/app/bin/sidecar", FORST_LIFELINE="3")
    assert [each.status for each in check_orphans(tmp_path)] == ["ok"]


def test_without_proc(tmp_path: Path) -> None:
    """Where the system shows no processes, that is said."""
    (finding,) = check_orphans(tmp_path / "no")
    assert (finding.status, finding.text) == ("ok", "not looked for: this system has no /proc")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_real_processes() -> None:
    """This very process is among those of the system."""
    (ours,) = [each for each in processes() if each.pid == os.getpid()]
    assert ours.parent == os.getppid()
    assert ours.cwd == Path.cwd()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in {each.pid for each in processes()}
        child.communicate(b"\n")


CONFIG = upstream(command=["x"], stop_timeout="10s")


@pytest.mark.parametrize(
    ("command", "status", "part"),
    [
        ("uvicorn app:app", "ok", "nothing against: uvicorn app:app"),
        ("uvicorn app:app --lifespan off", "fail", "--lifespan off"),
        ("uvicorn app:app --lifespan=off", "fail", "--lifespan off"),
        ("uvicorn app:app --loop asyncio", "warn", "--loop asyncio"),
        ("uvicorn --http h11 app:app", "warn", "--http h11"),
        ("uvicorn app:app --timeout-graceful-shutdown 3", "warn", "shorter than stop_timeout of sidecar"),
        ("uvicorn app:app --timeout-graceful-shutdown 30", "ok", "nothing against"),
        ("uvicorn app:app --workers 4", "ok", "4 workers share"),
        ("gunicorn -w 3 app:app", "ok", "3 workers share"),
        ("uvicorn app:app --reload --workers 1", "ok", "nothing against"),
    ],
)
def test_flags_of_a_server(command: str, status: str, part: str, tmp_path: Path) -> None:
    """What does not go with a sidecar is found."""
    ((said, text),) = found(check_server(CONFIG, command, {}, tmp_path), "server flags")
    assert (said, part in text) == (status, True)


def test_variables_of_a_server(tmp_path: Path) -> None:
    """Flags may come from the environment too."""
    findings = check_server(None, None, {"UVICORN_LIFESPAN": "off", "WEB_CONCURRENCY": "2"}, tmp_path)
    assert [status for status, _ in found(findings, "server flags")] == ["fail", "ok"]


def test_a_server_that_runs_here(tmp_path: Path) -> None:
    """Without a command, the server that runs in this folder is looked at."""
    process(tmp_path, 7, 1, "/usr/bin/python3", "/v/bin/uvicorn", "app:app", "--lifespan", "off")
    process(tmp_path, 8, 1, "/usr/bin/python3", "-m", "http.server")
    assert [status for status, _ in found(check_server(None, None, {}, tmp_path), "server flags")] == ["fail"]


def test_without_a_server(tmp_path: Path) -> None:
    """It is said how to name one."""
    ((status, text),) = found(check_server(None, None, {}, tmp_path), "server flags")
    assert (status, '--server "uvicorn' in text) == ("ok", True)


def test_flags() -> None:
    """Flags have values, or none, or an equals sign."""
    assert flags_of(["x", "--a", "1", "--b", "--c=2", "-w"]) == {"a": "1", "b": "", "c": "2"}
