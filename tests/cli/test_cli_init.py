"""forst-asgi init."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from forst_asgi.config import load

APP = """\
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Numbers(BaseModel):
    values: list[float]


@app.post("/calculate")
def calculate(numbers: Numbers) -> dict[str, float]:
    return {"sum": sum(numbers.values)}


@app.get("/files/{rest:path}")
def files(rest: str) -> str:
    return rest


@app.get("/two words")
def two_words() -> int:
    return 2


@app.get("/items/")
def items() -> list[int]:
    return []


class Wrapped:
    app = app
    number = 3


class Mute:
    def openapi(self):
        raise RuntimeError("not today\\nat all")


mute = Mute()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app in main.py, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(APP, encoding="utf-8")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name in {"main", "shop_app"}:
            del sys.modules[name]


def contents(folder: Path) -> dict[str, str]:
    """Every file in a folder."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_something_to_begin_with(invoke: Callable[..., Any], project: Path) -> None:
    """Without a route there is a handler for a path of its own, and the line for the app is told."""
    result = invoke("init")
    assert result.exit_code == 0
    assert "wrote       sidecar/hello/hello.go\n" in result.stdout
    assert 'app.add_middleware(SidecarMiddleware, config="forst.toml")' in result.stdout
    (route,) = load(project / "forst.toml").routes
    assert (route.id, route.path, route.mode, route.auth) == ("hello-from-go", "/hello-from-go", "on", "none")
    assert "module example.com/" in (project / "sidecar" / "go.mod").read_text()
    assert (project / "sidecar" / "forst-asgi" / "forstsidecar" / "serve.go").exists()
    assert not list((project / "sidecar" / "forst-asgi").rglob("*_test.go"))


def test_a_route_of_the_app(invoke: Callable[..., Any], project: Path) -> None:
    """The handler is made from the app's description; Python goes on answering."""
    result = invoke("init", "--route", "POST /calculate")
    assert result.exit_code == 0
    (route,) = load(project / "forst.toml").routes
    assert (route.id, route.path, route.methods, route.mode) == (
        "calculate",
        "/calculate",
        frozenset({"POST"}),
        "off",
    )
    handler = (project / "sidecar" / "calculate" / "calculate.go").read_text()
    assert 'Values []float64 `json:"values"`' in handler


def test_further_routes_are_added(invoke: Callable[..., Any], project: Path) -> None:
    """forst.toml and main.go get more lines and lose none; convertors stay."""
    for arguments in ([], ["--route", "POST /calculate"], ["--route", "GET /files/{rest}"]):
        assert invoke("init", *arguments).exit_code == 0
    result = invoke("init", "--route", "GET /items/")
    assert (
        "extended    forst.toml\nextended    sidecar/main.go\nkept        sidecar/go.mod\n" in result.stdout
    )
    assert "app.add_middleware" not in result.stdout
    config = load(project / "forst.toml")
    assert [each.path for each in config.routes] == [
        "/hello-from-go",
        "/calculate",
        "/files/{rest:path}",
        "/items/",
    ]
    main = (project / "sidecar" / "main.go").read_text()
    assert [line.strip() for line in main.splitlines() if "Register" in line] == [
        "hello.Register(mux)",
        "calculate.Register(mux)",
        "files.Register(mux)",
        "items.Register(mux)",
    ]
    assert '"GET /files/{rest...}"' in (project / "sidecar" / "files" / "files.go").read_text()
    assert '"GET /items/{$}"' in (project / "sidecar" / "items" / "items.go").read_text()


ROUTERS = """\
from fastapi import APIRouter, FastAPI

app = FastAPI()
for prefix in ("/users", "/orders", "/or/ders"):
    router = APIRouter(prefix=prefix)

    @router.post("")
    def create(name: str) -> str:
        return name

    app.include_router(router)
"""


def test_two_operations_of_one_name(invoke: Callable[..., Any], project: Path) -> None:
    """What is called as another operation gets its name from its path; neither is taken for the other."""
    (project / "main.py").write_text(ROUTERS, encoding="utf-8")
    for route in ("POST /users", "POST /orders", "POST /or/ders"):
        result = invoke("init", "--route", route)
        assert result.exit_code == 0, result.stderr
    assert [each.id for each in load(project / "forst.toml").routes] == [
        "create",
        "post-orders",
        "post-or-ders-2",
    ]
    assert '"POST /users"' in (project / "sidecar" / "create" / "create.go").read_text()
    assert '"POST /orders"' in (project / "sidecar" / "postorders" / "postorders.go").read_text()
    assert '"POST /or/ders"' in (project / "sidecar" / "postorders2" / "postorders2.go").read_text()
    for route, name in (("POST /users", "create"), ("POST /orders", "postorders")):
        again = invoke("init", "--route", route)
        assert (again.exit_code, f"sidecar/{name}/{name}.go" in again.stderr) == (1, True)
        assert invoke("init", "--route", route, "--force").exit_code == 0
    assert len(load(project / "forst.toml").routes) == 3


def test_nothing_is_overwritten(invoke: Callable[..., Any], project: Path) -> None:
    """A handler that is there is named, and not a single file changes."""
    invoke("init", "--route", "POST /calculate")
    handler = project / "sidecar" / "calculate" / "calculate.go"
    handler.write_text("package calculate // mine\n", encoding="utf-8")
    before = contents(project)
    result = invoke("init", "--route", "POST /calculate")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "not overwritten without --force; nothing was written:\n"
        "  sidecar/calculate/calculate.go\n  sidecar/calculate/calculate_test.go\n"
    )
    assert contents(project) == before


def test_force(invoke: Callable[..., Any], project: Path) -> None:
    """With --force the handler is new; the route does not stand twice, and other routes stay."""
    invoke("init")
    invoke("init", "--route", "POST /calculate")
    before = contents(project)
    handler = project / "sidecar" / "calculate" / "calculate.go"
    handler.write_text("package calculate // mine\n", encoding="utf-8")
    result = invoke("init", "--route", "POST /calculate", "--force")
    assert result.exit_code == 0
    assert "overwrote   sidecar/calculate/calculate.go\n" in result.stdout
    assert contents(project) == before


def test_an_older_copy_of_the_module(invoke: Callable[..., Any], project: Path) -> None:
    """A copy that differs is kept and named; --force renews it."""
    invoke("init")
    path = project / "sidecar" / "forst-asgi" / "forstsidecar" / "serve.go"
    new = path.read_text()
    path.write_text("package forstsidecar\n", encoding="utf-8")
    result = invoke("init", "--route", "POST /calculate")
    assert "sidecar/forst-asgi/forstsidecar/serve.go is there and differs" in result.stderr
    assert path.read_text() != new
    invoke("init", "--route", "POST /calculate", "--force")
    assert path.read_text() == new


def test_a_main_of_ones_own(invoke: Callable[..., Any], project: Path) -> None:
    """Without the comments that wait for lines, it is said what to add."""
    (project / "sidecar").mkdir()
    (project / "sidecar" / "main.go").write_text("package main\n", encoding="utf-8")
    result = invoke("init", "--route", "POST /calculate")
    assert 'sidecar/main.go: import "example.com/' in result.stderr
    assert "and call calculate.Register(mux)" in result.stderr
    assert (project / "sidecar" / "main.go").read_text() == "package main\n"


def test_a_configuration_without_a_sidecar(invoke: Callable[..., Any], project: Path) -> None:
    """It is said that the sidecar's table is missing."""
    (project / "forst.toml").write_text('[upstream.a]\naddress = "http://127.0.0.1:9"\n', encoding="utf-8")
    assert "has no table [sidecar]" in invoke("init", "--route", "POST /calculate").stderr


@pytest.mark.parametrize(
    ("files", "arguments", "problem"),
    [
        ({}, ["--route", "POST"], '"POST" is no route; expected a method and a path'),
        ({}, ["--route", "POST /calc"], 'did you mean "POST /calculate"?'),
        ({}, ["--route", "POST /calculate", "--app", "main"], '"main" names no app'),
        ({}, ["--route", "POST /calculate", "--app", "main:nothing"], "main:nothing cannot be imported"),
        (
            {"a_script.py": "raise SystemExit(3)"},
            ["--route", "POST /calculate", "--app", "a_script:app"],
            "a_script:app cannot be imported: SystemExit: 3",
        ),
        (
            {},
            ["--route", "POST /calculate", "--app", "main:Wrapped.number"],
            "is a int, which has no openapi()",
        ),
        (
            {},
            ["--route", "POST /calculate", "--app", "main:mute"],
            "the app cannot describe itself: RuntimeError: not today\n",
        ),
        ({}, ["--route", "GET /two words"], "GET /two words cannot be forwarded: a path has no spaces"),
        ({"forst.toml": "[sidecar]\n"}, ["--route", "POST /calculate"], "forst.toml has to be right before"),
        ({"pyproject.toml": "[tool.forst.sidecar]\n"}, [], "the configuration is in pyproject.toml"),
        ({"sidecar": ""}, [], "cannot be read"),
    ],
)
def test_what_cannot_be_done(
    invoke: Callable[..., Any], project: Path, files: dict[str, str], arguments: list[str], problem: str
) -> None:
    """The reason is told, the status is 1, and nothing is written."""
    for name, text in files.items():
        (project / name).write_text(text, encoding="utf-8")
    before = contents(project)
    result = invoke("init", *arguments)
    assert result.exit_code == 1
    assert problem in result.stderr
    assert contents(project) == before


def test_without_an_app_to_guess(invoke: Callable[..., Any], project: Path) -> None:
    """The places that were looked at are named."""
    (project / "main.py").rename(project / "shop_app.py")
    assert "which app? Say --app module:name" in invoke("init", "--route", "POST /calculate").stderr
    assert invoke("init", "--route", "POST /calculate", "--app", "shop_app:Wrapped.app").exit_code == 0


@pytest.mark.parametrize("folder", ["/tmp/x", "../x", ""])
def test_the_folder_is_within_the_project(invoke: Callable[..., Any], project: Path, folder: str) -> None:
    """Nothing is written elsewhere."""
    assert invoke("init", "--dir", folder).exit_code == 2


def test_a_folder_of_ones_own(invoke: Callable[..., Any], project: Path) -> None:
    """The module may lie elsewhere, and forst.toml knows."""
    assert invoke("init", "--dir", "go/side-car").exit_code == 0
    assert "go/side-car/bin/sidecar" in (project / "forst.toml").read_text()
    assert "/sidecar\n\ngo 1.24" in (project / "go" / "side-car" / "go.mod").read_text()


def test_strict(invoke: Callable[..., Any], project: Path) -> None:
    """For strict models the struct converts nothing."""
    invoke("init", "--route", "POST /calculate", "--strict")
    assert '`forst:"ignore"`' in (project / "sidecar" / "calculate" / "calculate.go").read_text()


@pytest.mark.slow
def test_from_init_to_an_answer_from_go(invoke: Callable[..., Any], project: Path, go_binary: str) -> None:
    """Vet and the tests pass without network; with one line in the app and mode "on", Go answers."""
    invoke("init")
    invoke("init", "--route", "POST /calculate")
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(Path.home()),
        "GOPROXY": "off",
        "GOFLAGS": "-buildvcs=false",
    }
    for what in (["vet", "./..."], ["test", "./..."]):
        command = [go_binary, *what]
        done = subprocess.run(
            command, cwd=project / "sidecar", env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    config = project / "forst.toml"
    config.write_text(config.read_text().replace('mode = "off"', 'mode = "on"'))
    assert invoke("check").exit_code == 0
    (project / "main.py").write_text(APP + ADDED, encoding="utf-8")
    with serving(project, Path(go_binary).parent) as client:
        assert client.get("/hello-from-go?name=ada").json() == {"hello": "ada", "from": "go"}
        answer = client.post("/calculate", json={"values": [1, "2"]})
        assert (answer.status_code, answer.json()) == (200, {"key": 0.5})
        assert client.post("/calculate", json={}).json()["detail"][0]["type"] == "missing"
        assert client.get("/items/").json() == []


ADDED = """
from forst_asgi import SidecarMiddleware
app.add_middleware(SidecarMiddleware, config="forst.toml")
"""


@contextmanager
def serving(folder: Path, go_folder: Path) -> Iterator[httpx.Client]:
    """A client of `uvicorn main:app`, which finds `go` to build the program with."""
    environ = {
        **os.environ,
        "PATH": f"{go_folder}{os.pathsep}{os.environ['PATH']}",
        "GOFLAGS": "-buildvcs=false",
    }
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = ""
        for line in server.stderr:
            said += line
            if found := re.search(r"running on (http://\S+)", line):
                break
        else:
            pytest.fail(said)
        try:
            with httpx.Client(base_url=found[1]) as client:
                yield client
        finally:
            server.send_signal(signal.SIGINT)
            server.stderr.read()
