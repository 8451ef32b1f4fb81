"""The files of docs/deploy: what can be checked of them without systemd, a cluster, or a container engine."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forst_asgi.config import load

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
PATIENCE_S = 60.0

APP = """\
from fastapi import FastAPI
from forst_asgi import SidecarMiddleware

app = FastAPI()
app.add_middleware(SidecarMiddleware, config="forst.toml")
"""


@pytest.fixture(scope="module")
def project(go_binary: str) -> Iterator[Path]:
    """A project as the page expects it: begun by `forst-asgi init`, its sidecar built, with these files."""
    folder = Path(tempfile.mkdtemp(prefix="fdep-", dir="/tmp"))  # short enough for sockets
    (folder / "app.py").write_text(APP)
    subprocess.run([sys.executable, "-m", "forst_asgi", "init"], cwd=folder, check=True, capture_output=True)
    [build] = re.findall(r"^go (build .*)$", PAGE, re.MULTILINE)
    subprocess.run([go_binary, *shlex.split(build)], cwd=folder, check=True)
    for name in ("forst.toml", "gunicorn.conf.py", "requirements.txt", "Dockerfile", ".dockerignore"):
        shutil.copy(FILES / name, folder)
    yield folder
    shutil.rmtree(folder)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def until_answered(client: httpx.Client) -> httpx.Response:
    """Return the first answer of Go; nothing tells when servers are up, so ask again."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            return client.get("/hello-from-go")
        time.sleep(0.05)
    pytest.fail("nobody answers")


@pytest.mark.slow
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_the_commands_of_the_page_run(project: Path, server: str) -> None:
    """Go answers under each command, with several workers, and nothing is left when it ends."""
    pytest.importorskip("uvicorn_worker")
    [command] = re.findall(rf"^{server} (app:app .*)$", PAGE, re.MULTILINE)
    port = free_port()
    arguments = shlex.split(command.replace("--port 8000", f"--port {port}"))
    if server == "gunicorn":
        arguments += ["--bind", f"127.0.0.1:{port}"]
    runtime = project / server
    runtime.mkdir(mode=0o700)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        subprocess.Popen(
            [sys.executable, "-m", server, *arguments], cwd=project, env=environ, start_new_session=True
        ) as process,
    ):
        try:
            answer = until_answered(client)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
            assert len(list(runtime.glob("forst-*/sidecar.sock"))) == 1
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert list(runtime.glob("forst-*")) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units(project: Path, tmp_path: Path) -> None:
    """Nothing is found wrong with the units, once their programs are there."""
    program = project / ".venv" / "bin" / "uvicorn"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    for unit in (FILES / "systemd").iterdir():
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace("/srv/app", str(project)))
    units = [str(path) for path in tmp_path.iterdir()]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if any(Path(unit).name in line for unit in units)]
    assert (len(units), ours) == (4, [])


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
def test_the_sidecar_takes_its_socket_from_systemd(project: Path) -> None:
    """What listens on the socket of sidecar.socket is the program of sidecar.service."""
    path = project / "s.sock"
    command = [
        "systemd-socket-activate",
        f"--listen={path}",
        "--setenv=FORST_GRACE=8s",
        str(project / "sidecar" / "bin" / "sidecar"),
    ]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE) as process,
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://sidecar") as client,
    ):
        assert process.stderr is not None
        process.stderr.readline()  # it listens
        assert client.get("/hello-from-go").status_code == 200
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("name", ["forst.toml", "forst-attached.toml"])
def test_the_configurations_can_be_used(name: str) -> None:
    """Each loads, and none builds anything on the machine where it runs."""
    config = load(FILES / name)
    assert config.sidecar is not None
    assert (config.sidecar.build, config.sidecar.watch) == (None, ())


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return what a Dockerfile says, instruction by instruction."""
    text = re.sub(
        r"\\\n", " ", re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def test_the_dockerfile_copies_what_is_there(project: Path) -> None:
    """Each COPY finds its source in such a project or in an earlier stage; no image runs as root."""
    stages: list[str] = []
    users: dict[str, str] = {}
    for word, rest in instructions(FILES / "Dockerfile"):
        if word == "FROM":
            stages.append(rest.split(" AS ")[1])
        elif word == "USER":
            users[stages[-1]] = rest
        elif word in {"CMD", "ENTRYPOINT"}:
            assert all(isinstance(each, str) for each in json.loads(rest))
        elif word == "COPY":
            *options, sources = [part for part in re.split(r"(--\S+) ", rest) if part]
            if options:
                assert options[0].removeprefix("--from=") in stages[:-1]
            else:
                assert [name for name in sources.split()[:-1] if not (project / name).exists()] == []
    assert (stages, set(users)) == (["build", "sidecar", "app"], {"sidecar", "app"})


def manifests() -> list[dict[str, Any]]:
    """Return the objects of the manifest."""
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text(encoding="utf-8")))


def test_kubernetes_takes_the_manifest() -> None:
    """Each object is as its schema wants it, without fields that there are not."""
    validator = pytest.importorskip("kubernetes_validate")
    for each in manifests():
        validator.validate(each, validator.latest_version(), strict=True)


def test_both_containers_share_socket_secret_and_user() -> None:
    """The app finds the socket where the sidecar opens it, and both have the same secret."""
    pod = manifests()[0]["spec"]["template"]["spec"]
    [sidecar], [app] = pod["initContainers"], pod["containers"]
    assert sidecar["volumeMounts"] == app["volumeMounts"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert not any("runAsUser" in container["securityContext"] for container in (sidecar, app))
    environ = [{each["name"]: each for each in container["env"]} for container in (sidecar, app)]
    assert environ[0]["FORST_SECRET"] == environ[1]["FORST_SECRET"]
    attached = load(FILES / "forst-attached.toml").sidecar
    assert attached is not None
    assert str(attached.address) == environ[0]["FORST_LISTEN"]["value"]
    assert attached.secret_env == "FORST_SECRET"


def test_every_file_is_on_the_page() -> None:
    """The page leads to each file; what is not on it nobody finds."""
    names = {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()}
    missing = {name for name in names if f"(deploy/{name})" not in PAGE}
    assert missing == {"requirements.txt", ".dockerignore"}
