"""Item 4 against the real thing: what is forwarded, Go's mux routes to the same pattern, the rest never.

The Go program in `servemux/` is built once. Its targets come from `targets.txt`, one a line, and from
hypothesis, which puts them together from the `bits.txt`.
"""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from forst_asgi.routing import Route, RouteMatch, RouteSpec, RouteTable

ScopeOf: TypeAlias = Callable[[bytes], dict[str, Any]]

SOURCE = Path(__file__).parent / "servemux" / "main.go"


@dataclass(frozen=True)
class Answer:
    """What the mux did with one target."""

    status: int
    pattern: str
    values: dict[str, bytes]


class Mux:
    """The Go program, asked a line at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ask(self, templates: Sequence[str], targets: Sequence[bytes]) -> list[Answer] | None:
        """Return an answer for each target, or None when Go refuses to register the patterns together."""
        encoded = [base64.b64encode(target).decode() for target in targets]
        question = {"patterns": [go_pattern(template) for template in templates], "targets": encoded}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(question), file=self.process.stdin, flush=True)
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply:
            return None
        return [
            Answer(
                answer["status"],
                answer["pattern"],
                {name: base64.b64decode(value) for name, value in (answer["values"] or {}).items()},
            )
            for answer in reply["answers"]
        ]


@pytest.fixture(scope="session")
def mux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mux]:
    """The Go program, running; skipped without a Go toolchain."""
    go = shutil.which("go")
    if go is None:  # pragma: no cover (the toolchain is there wherever coverage is measured)
        pytest.skip("no Go toolchain on PATH")
    program = tmp_path_factory.mktemp("servemux") / "servemux"
    subprocess.run([go, "build", "-o", program, SOURCE], check=True, cwd=SOURCE.parent)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Mux(process)


def go_pattern(template: str) -> str:
    """The pattern of Go's mux that matches what a template matches, typed parameters aside."""
    pattern = template.replace(" ", "%20")  # a space ends the method in Go's patterns
    pattern = re.sub(r"{(\w+):path}", r"{\1...}", pattern)
    pattern = re.sub(r"{(\w+):\w+}", r"{\1}", pattern)
    return pattern + "{$}" if template.endswith("/") else pattern


def would_serve(answer: Answer, routes: Sequence[Route[str]]) -> bool:
    """Whether Go routes the target to one of the patterns with values that the convertors accept."""
    if answer.status != 200:
        return False
    route = next(route for route in routes if go_pattern(route.template) == answer.pattern)
    return all(
        re.fullmatch(convertor.regex, as_segment(answer.values[name], convertor.regex), re.DOTALL)
        for name, convertor in route.shape.convertors.items()
    )


def as_segment(value: bytes, regex: str) -> str:
    """A value as text; a slash in it was an escaped one unless the convertor spans segments."""
    text = value.decode("utf-8", "surrogateescape")
    return text if regex == ".*" else text.replace("/", "_")


def check(table: RouteTable[str], target: bytes, match: RouteMatch[str] | None, answer: Answer) -> None:
    """Assert the invariant for one target, in both directions."""
    if not target.startswith(b"/"):
        assert match is None  # item 6: Go would take absolute-form, but it is never sent
    elif match is None:
        assert not would_serve(answer, table.routes), f"{target!r} falls through, but Go has {answer}"
    elif match.unsafe is None and answer.status == 307:
        # For /a Go prefers a redirect to /a/ over a pattern that would have to match "a" with a "...".
        earlier = table.routes[: match.route.index]
        assert answer.pattern in {go_pattern(route.template) for route in earlier}, target
        assert match.route.shape.tail is not None
    elif match.unsafe is None:
        assert match.target() == target
        assert answer.status == 200, f"{target!r} is forwarded to {match.route.template}, but Go has {answer}"
        assert answer.pattern == go_pattern(match.route.template), target
        assert would_serve(answer, table.routes), f"{target!r} is forwarded, but Go has {answer}"


def table_of(templates: Sequence[str], passes: Sequence[bool]) -> RouteTable[str]:
    """A table of templates, each its own endpoint; `passes` says which of them pass encoded paths."""
    return RouteTable(
        RouteSpec(template, template, template, encoded_path="pass" if is_passing else "reject")
        for template, is_passing in zip(templates, passes, strict=False)
    )


TABLES = (
    ("/",),
    ("/a/b", "/a/{x}", "/a/{x}/c", "/files/{rest:path}"),
    ("/a/", "/a", "/a/b/", "/{x}/b/c"),
    ("/items/{id:int}", "/items/{id:int}/tags/{tag}", "/prices/{p:float}"),
    ("/docs/{u:uuid}", "/docs/{u:uuid}/{rest:path}"),
    ("/a/caf\u00e9/{x}", "/a/b c/{x}", "/a/.hidden/{x}", "/a/..x"),
    ("/{rest:path}",),
    ("/a/{x}/{rest:path}", "/a/{x}"),
    ("/a/b/{x}/", "/a/{rest:path}", "/{rest:path}"),
)

CORPUS = (Path(__file__).parent / "targets.txt").read_bytes().splitlines()
BITS = ["", "", *(Path(__file__).parent / "bits.txt").read_text().splitlines()]


def targets() -> st.SearchStrategy[bytes]:
    """Paths of one to six segments, each put together from one to three nasty bits."""
    segment = st.lists(st.sampled_from(BITS), min_size=1, max_size=3).map("".join)
    path = st.lists(segment, min_size=1, max_size=6).map(lambda segments: "/" + "/".join(segments))
    return path.map(str.encode)


def tables() -> st.SearchStrategy[tuple[str, ...]]:
    """Up to four templates, the more specific ones first (as the file order has to be for both to agree)."""
    inner = st.lists(st.sampled_from(["a", "b", "{}", "x", "files"]), max_size=3)
    last = st.sampled_from(["a", "b", "{}", "{rest:path}", ""])
    template = st.tuples(inner, last).map(lambda parts: numbered([*parts[0], parts[1]]))
    return st.lists(template, min_size=1, max_size=4, unique=True).map(
        lambda templates: tuple(sorted(templates, key=generality))
    )


def numbered(segments: list[str]) -> str:
    """A template with a name for each parameter."""
    return "".join("/" + segment.replace("{}", f"{{p{place}}}") for place, segment in enumerate(segments))


def generality(template: str) -> list[int]:
    """A sort key that puts the more specific of two patterns first."""
    return [2 if ":path}" in segment else int("{" in segment) for segment in template.split("/")]


@pytest.mark.parametrize("passes", [False, True], ids=["reject", "pass"])
@pytest.mark.parametrize("templates", TABLES)
def test_item_04_the_mux_agrees_about_the_corpus(
    mux: Mux, scope_of: ScopeOf, templates: tuple[str, ...], *, passes: bool
) -> None:
    """Every target that ever fooled a pair of matchers is routed alike, or refused."""
    table = table_of(templates, [passes] * len(templates))
    answers = mux.ask(templates, CORPUS)
    assert answers is not None
    for target, answer in zip(CORPUS, answers, strict=True):
        check(table, target, table.match(scope_of(target)), answer)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    templates=tables(),
    asked=st.lists(targets(), min_size=1, max_size=20),
    passes=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_item_04_the_mux_agrees_about_anything(
    mux: Mux, scope_of: ScopeOf, templates: tuple[str, ...], asked: list[bytes], passes: list[bool]
) -> None:
    """Whatever the table and the target, both sides route it alike, or it is refused."""
    answers = mux.ask(templates, asked)
    assume(answers is not None)
    assert answers is not None
    table = table_of(templates, passes)
    for target, answer in zip(asked, answers, strict=True):
        check(table, target, table.match(scope_of(target)), answer)


@pytest.mark.parametrize("passes", [False, True], ids=["reject", "pass"])
def test_item_04_parameters_have_the_values_that_go_sees(
    mux: Mux, scope_of: ScopeOf, *, passes: bool
) -> None:
    """A decoded parameter is what Go's PathValue returns, an encoded slash included."""
    templates = ("/a/{x}/{rest:path}", "/a/{x}")
    table = table_of(templates, [passes] * len(templates))
    answers = mux.ask(templates, CORPUS)
    assert answers is not None
    forwarded = 0
    for target, answer in zip(CORPUS, answers, strict=True):
        match = table.match(scope_of(target))
        if match is not None and match.unsafe is None:
            forwarded += 1
            decoded = {name: value.decode("utf-8", "replace") for name, value in answer.values.items()}
            assert match.params == decoded, target
    assert forwarded > 10
