"""What the documentation says, held against the code: snippets, tables, transcripts, links."""

import asyncio
import contextlib
import dataclasses
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest

from forst_asgi import Config, Event, errors
from forst_asgi.config import load
from forst_asgi.forward.answers import problem_type

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])

_FENCED = re.compile(r'^```(\w+)(?: title="([^"\n]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")

T = TypeVar("T")

GO_MODULE = "github.com/forst-asgi/forst-asgi/go"
SURROUNDINGS = f"""
package main

import (
	"fmt"
	"net/http"

	"{GO_MODULE}/forstsidecar"
)

func main() {{}}

"""


class Snippet(NamedTuple):
    """One fenced block of a page."""

    page: str
    language: str
    title: str
    text: str


def snippets() -> Iterator[Snippet]:
    """All fenced blocks of all pages."""
    for page in PAGES:
        for language, title, text in _FENCED.findall(page.read_text(encoding="utf-8")):
            yield Snippet(page.name, language, title, text)


def of_language(language: str, words: str = "") -> list[Any]:
    """The blocks in a language that have some words in them, as parameters of a test."""
    found = [each for each in snippets() if each.language == language and words in each.text]
    return [pytest.param(each, id=f"{each.page}-{place}") for place, each in enumerate(found)]


def the(page: str, title: str) -> list[str]:
    """The texts of the blocks of one page that have this title, in order."""
    return [each.text for each in snippets() if (each.page, each.title) == (page, title)]


def rows(page: str) -> list[list[str]]:
    """The cells of all table rows of a page whose first cell is code."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text.splitlines()
        if line.startswith("| `")
    ]


def all_kinds(base: type[T]) -> Iterator[type[T]]:
    """All classes below one, without those that `slots=True` has left behind."""
    for kind in base.__subclasses__():
        if getattr(sys.modules[kind.__module__], kind.__name__) is kind:
            yield kind
        yield from all_kinds(kind)


@pytest.mark.parametrize("snippet", of_language("toml", "[[route]]"))
def test_every_configuration_shown_can_be_used(snippet: Snippet, tmp_path: Path) -> None:
    """A TOML block with a route in it is a whole file, and loads."""
    path = tmp_path / "forst.toml"
    path.write_text(snippet.text)
    assert isinstance(load(path), Config)


@pytest.mark.parametrize("snippet", of_language("python"))
def test_every_python_snippet_compiles(snippet: Snippet) -> None:
    """A Python block has no mistake of syntax."""
    compile(snippet.text, snippet.page, "exec")


@pytest.mark.parametrize("snippet", of_language("go"))
def test_every_go_snippet_builds(snippet: Snippet, tmp_path: Path, go: Callable[..., str]) -> None:
    """A Go block is a program, or a part that builds with obvious imports, as gofmt has it."""
    is_whole = re.search("^package ", snippet.text, re.MULTILINE)
    text = snippet.text if is_whole else SURROUNDINGS + snippet.text
    make_module(tmp_path, text, go)
    go("vet", ".", cwd=tmp_path)
    gofmt = Path(go("env", "GOROOT", cwd=tmp_path).strip()) / "bin" / "gofmt"
    formatted = subprocess.run([gofmt], input=snippet.text, text=True, capture_output=True, check=True)
    assert formatted.stdout == snippet.text


@pytest.mark.parametrize("number", [0, 1], ids=["net/http", "forstsidecar"])
def test_the_quickstart_works_as_written(number: int, tmp_path: Path, go: Callable[..., str]) -> None:
    """Following the quickstart to the letter, Go answers /calculate and Python /hello."""
    make_module(tmp_path / "sidecar", the("quickstart.md", "sidecar/main.go")[number], go)
    go("build", "-buildvcs=false", "-o", "../bin/sidecar", ".", cwd=tmp_path / "sidecar")
    (tmp_path / "forst.toml").write_text(the("quickstart.md", "forst.toml")[0])
    code = the("quickstart.md", "app.py")[0] + the("quickstart.md", "app.py, at its end")[0]
    (tmp_path / "app.py").write_text(code)
    with serving(tmp_path) as client:
        answer = client.post("/calculate", json={"values": [1, 2, 6]})
        assert answer.json() == {"sum": 9, "average": 3}
        assert client.post("/calculate", json={"values": []}).status_code == 422
        assert client.get("/hello").json() == {"from": "python"}


def test_the_quickstart_with_init_works_as_written(tmp_path: Path, go: Callable[..., str]) -> None:
    """From init to a migrated route that answers from Go, with nothing but what the page says."""
    (tmp_path / "app.py").write_text(the("quickstart.md", "app.py")[0])
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^forst-asgi (init .*)$", page, re.MULTILINE)
    made = [sys.executable, "-m", "forst_asgi", *shlex.split(command)]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "sidecar/calculate/calculate.go").write_text(
        the("quickstart.md", "sidecar/calculate/calculate.go")[0]
    )
    go("test", "./...", cwd=tmp_path / "sidecar")
    config = (tmp_path / "forst.toml").read_text().splitlines()[:-2]
    ending = the("quickstart.md", "forst.toml, its end")[0]
    (tmp_path / "forst.toml").write_text("\n".join([*config, ending]).replace("# watch", "watch"))
    with (tmp_path / "app.py").open("a") as app:
        app.write(the("quickstart.md", "app.py, at its end")[0])
    with serving(tmp_path) as client:
        answer = client.post("/calculate", json={"values": [1, 2, 6]})
        assert answer.json() == {"sum": 9, "average": 3}
        assert client.post("/calculate", json={"values": []}).status_code == 422
        assert client.get("/hello").json() == {"from": "python"}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[httpx.Client]:
    """A client of `uvicorn app:app`, as the quickstart starts it; at the end Ctrl-C."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    with server:
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
            said += server.stderr.read()
    assert "forst.sidecar.ready" in said
    assert "forst.sidecar.stopped" in said


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("test_orders.py", "test_calculate_is_forwarded"),
        ("test_failures.py", "test_a_slow_sidecar_is_a_504"),
    ],
)
def test_the_tests_of_the_testing_page_pass(title: str, name: str) -> None:
    """The example tests of an app, with a fake in place of the sidecar, pass."""
    names: dict[str, Any] = {}
    exec(the("testing-your-app.md", title)[0], names)
    names[name]()


def test_the_auth_callable_of_the_auth_page_lets_in_and_keeps_out() -> None:
    """The example callable knows its user by the cookie, and nobody without it."""
    names: dict[str, Any] = {}
    exec(the("auth.md", "shop/auth.py")[0], names)
    connection = names["HTTPConnection"]

    def ask(*headers: tuple[bytes, bytes]) -> dict[str, str]:
        seen = connection({"type": "http", "headers": list(headers)})
        answer: dict[str, str] = asyncio.run(names["require_user"](seen))
        return answer

    assert ask((b"cookie", b"session=3f9a")) == {"sub": "ada"}
    with pytest.raises(names["HTTPException"]):
        ask()


def test_the_errors_page_lists_every_answer_of_ours() -> None:
    """Each error that becomes an answer stands there with its status and Proxy-Status error, and no other."""
    told = {row[0]: tuple(row[1:-1]) for row in rows("errors.md")}
    expected = {
        f"`{problem_type(kind())}`": (str(kind.status), f"`{kind.proxy_error}`")
        if issubclass(kind, errors.UpstreamError)
        else (str(kind.status),)
        for kind in all_kinds(errors.ResponseError)
        if kind is not errors.UpstreamError
    }
    assert told == expected


def test_the_logs_page_lists_every_event_with_its_keys() -> None:
    """Each event stands there with its level and keys, in order, and no other."""
    told = {row[0]: (row[1], row[2]) for row in rows("logs-and-events.md") if row[0].startswith("`forst.")}
    expected = {
        f"`{kind.name}`": (kind.level, " ".join(f"`{field.name}`" for field in dataclasses.fields(kind)))
        for kind in all_kinds(Event)
        if "name" in vars(kind)
    }
    assert told == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """A link to another file of the repository has a target."""
    missing = [
        link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("snippet", of_language("console", "$ forst-asgi"))
def test_every_transcript_is_what_the_command_prints(snippet: Snippet, tmp_path: Path) -> None:
    """A transcript of a command about the demo's configuration shows what it prints; "…" is anything."""
    command, _, output = snippet.text.partition("\n")
    _, *arguments = shlex.split(command.removeprefix("$ "))
    configuration = ROOT / "demo_app" / "forst.toml"
    (tmp_path / "forst.toml").write_text(configuration.read_text(encoding="utf-8"))
    program = tmp_path / "sidecar" / "bin" / "demo-sidecar"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-m", "forst_asgi", *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    pattern = ".*".join(map(re.escape, output.split("…")))
    assert re.fullmatch(pattern, done.stdout + done.stderr), done.stdout + done.stderr


def make_module(folder: Path, program: str, go: Callable[..., str]) -> None:
    """Write a program and a go.mod that finds the module of this checkout."""
    folder.mkdir(exist_ok=True)
    (folder / "main.go").write_text(program)
    go("mod", "init", "example.com/sidecar", cwd=folder)
    go("mod", "edit", f"-require={GO_MODULE}@v0.0.0", f"-replace={GO_MODULE}={ROOT / 'go'}", cwd=folder)


@pytest.fixture
def go(go_binary: str) -> Callable[..., str]:
    """Runs the go command and returns what it printed."""

    def run(*arguments: str, cwd: Path) -> str:
        done = subprocess.run([go_binary, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
