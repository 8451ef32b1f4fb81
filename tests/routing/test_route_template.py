"""Items 4 and 5: templates mean exactly what they mean to Starlette."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor, StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute

from forst_asgi.errors import ConfigError
from forst_asgi.routing import RouteSpec, RouteTable, TemplateError
from forst_asgi.routing.template import Piece, parse_template
from forst_asgi.types import Scope

ScopeOf: TypeAlias = Callable[[bytes], dict[str, Any]]


class Slug(Convertor[str]):
    """A convertor as an application would register it."""

    regex = "[a-z0-9]+(?:-[a-z0-9]+)*"

    def convert(self, value: str) -> str:
        return value.upper()

    def to_string(self, value: str) -> str:
        raise AssertionError("unreachable: no path is built here")


class Broken(StringConvertor):
    """A convertor whose expression does not compile."""

    regex = "[a-"


@pytest.fixture(scope="module")
def convertors() -> Iterator[None]:
    """`slug` and `broken`, registered with Starlette as long as this module runs."""
    register_url_convertor("slug", Slug())
    register_url_convertor("broken", Broken())
    yield
    del CONVERTOR_TYPES["slug"], CONVERTOR_TYPES["broken"]


async def answer(request: Request) -> Response:
    """An endpoint for Starlette's own routes; never called."""
    raise AssertionError("unreachable: routes are only matched here")


def is_match_for_starlette(template: str, scope: Scope) -> bool:
    """Whether Starlette's own route takes the request."""
    return StarletteRoute(template, answer).matches(scope)[0] is Match.FULL


def table_of(*templates: str) -> RouteTable[str]:
    """A table of templates, each its own endpoint."""
    return RouteTable(RouteSpec(template, template, template) for template in templates)


TEMPLATES = (
    "/",
    "/api",
    "/api/",
    "/quotes/{id:int}",
    "/quotes/{id:int}/lines/{line}",
    "/files/{rest:path}",
    "/files/{rest:path}/meta",
    "/v{n:int}/{name}.json",
    "/{a}-{b}",
    "/price/{p:float}",
    "/u/{u:uuid}",
    "/p{rest:path}",
    "/{rest:path}",
    "/{a}/{b}/{c}",
    "/blog/{s:slug}",
    "/blog/{s:slug}/{n:int}",
    "/caf\u00e9/{x}",
    "/a b/{x:str}",
    "/a.b/(c)/{_x1}",
    "/.well-known/{name}",
)

PATHS = (
    "/", "/api", "/api/", "/apiary", "/API", "/quotes/1", "/quotes/", "/quotes/x", "/quotes/1/",
    "/quotes/\u0661", "/quotes/1/lines/a", "/quotes/1/lines/", "/files", "/files/", "/files/a",
    "/files/a/b", "/files/a/meta", "/files/meta", "/files//meta", "/v1/a.json", "/v1/.json", "/v/a.json",
    "/v12/a.b.json", "/v1/a.jsonx", "/a-b", "/-", "/a-b-c", "/ab", "/price/1", "/price/1.5", "/price/1.",
    "/price/.5", "/p", "/p/a", "/pa/b/", "/a/b/c", "/u/12345678-1234-1234-1234-123456789abc",
    "/u/123456781234123412341234567890AB", "/u/1234", "/blog/a-b", "/blog/A", "/blog/a-b/7", "/blog/a/b",
    "/caf\u00e9/x", "/cafe/x", "/a b/x", "/a.b/(c)/x", "/axb/(c)/x", "/.well-known/x", "*", "",
    "http://h/api", "api",
)  # fmt: skip

SEGMENTS = (
    "api", "a", "b", "1", "1.5", "{}", "{:int}", "{:float}", "{:slug}", "v{:int}", "{}.json", "{}-{:int}",
    "{:path}",
)  # fmt: skip
VALUES = (
    "api",
    "a",
    "b",
    "1",
    "1.5",
    "v1",
    "x.json",
    "a-1",
    "a-b",
    "",
    "A",
    "\u00e9",
    " ",
    "..a",
    "10",
    "a.json",
)


def numbered(segments: list[str]) -> str:
    """A template in which every parameter has a name of its own."""
    text = "/" + "/".join(segments)
    names = iter(range(100))
    return re.sub(r"{(:\w+)?}", lambda found: f"{{p{next(names)}{found[1] or ''}}}", text)


@pytest.mark.usefixtures("convertors")
@pytest.mark.parametrize("template", TEMPLATES)
def test_item_05_the_corpus_matches_as_in_starlette(scope_of: ScopeOf, template: str) -> None:
    """A template and a path match here when, and only when, they match in Starlette."""
    table = table_of(template)
    for path in PATHS:
        scope = scope_of(quote(path).encode())
        match = table.match(scope)
        if path.startswith("/") and "//" not in path:
            assert (match is not None) == is_match_for_starlette(template, scope), path
            assert match is None or match.unsafe is None, path
        elif match is not None:
            assert match.unsafe == "empty segment"


@pytest.mark.usefixtures("convertors")
@given(
    templates=st.lists(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4), min_size=1, max_size=6),
    values=st.lists(st.sampled_from(VALUES), min_size=1, max_size=5),
)
@example(templates=[["{:path}"]], values=["a", "", "b"])
def test_item_05_the_first_match_is_starlettes_first_match(
    scope_of: ScopeOf, templates: list[list[str]], values: list[str]
) -> None:
    """In any table the route found for a safe path is the first one that Starlette would find."""
    texts = list(dict.fromkeys(numbered(segments) for segments in templates))
    scope = scope_of(quote("/" + "/".join(values)).encode())
    match = table_of(*texts).match(scope)
    expected = next((text for text in texts if is_match_for_starlette(text, scope)), None)
    if match is None or match.unsafe is None:
        assert (match and match.route.endpoint) == expected


@pytest.mark.usefixtures("convertors")
def test_item_05_parameters_are_decoded_and_converted(scope_of: ScopeOf) -> None:
    """`params` is what Starlette would put into `path_params`, own convertors included."""
    table = table_of("/v{n:int}/{name}.json", "/blog/{s:slug}", "/files/{rest:path}")
    expected = {
        b"/v%32/caf%C3%A9%20x.json": {"n": 2, "name": "caf\u00e9 x"},
        b"/blog/a-b": {"s": "A-B"},
        b"/files/a/b%20c": {"rest": "a/b c"},
    }
    for raw, params in expected.items():
        match = table.match(scope_of(raw))
        assert match is not None
        assert match.params == params


def test_item_05_a_value_that_no_convertor_takes_raises_only_when_it_is_asked_for(scope_of: ScopeOf) -> None:
    """An integer too long for Python is matched and forwarded; only `params` raises."""
    raw = b"/quotes/" + b"9" * 5000
    match = table_of("/quotes/{id:int}").match(scope_of(raw))
    assert match is not None
    assert match.target() == raw
    with pytest.raises(ValueError, match="integer"):
        _ = match.params


def test_item_04_a_line_feed_is_not_the_end_of_a_path(scope_of: ScopeOf) -> None:
    """Unlike Starlette's `$`, a template's end does not overlook a final line feed."""
    table = RouteTable([RouteSpec("r", "/x", 1, encoded_path="pass"), RouteSpec("p", "/{n:int}", 1)])
    assert table.match(scope_of(b"/x%0A")) is None
    assert table.match(scope_of(b"/1%0A")) is None


@pytest.mark.usefixtures("convertors")
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("quotes", 'starts with "/"'),
        ("", 'starts with "/"'),
        (
            "/a/{id:integer}",
            "unknown convertor 'integer' (there are: broken, float, int, path, slug",
        ),
        ("/a/{id}/{id}", "more than once"),
        ("/a?x={y}", "ends before the query string"),
        ("/a#b", "no fragment"),
        ("/a%20b", "decoded character"),
        ("/a/{id-x}", '"{name}" or "{name:convertor}"'),
        ("/a/id}", '"{name}" or "{name:convertor}"'),
        ("/a\\b", 'separated by "/"'),
        ("/a\nb", "never be part of a safe request target"),
        ("/a//b", "never forwarded"),
        ("/a/../b", "never forwarded"),
        ("/a/.", "never forwarded"),
        ("/a/{x:broken}", "regex is broken"),
    ],
)
def test_item_05_a_template_that_cannot_work_is_a_config_error(path: str, problem: str) -> None:
    """A wrong template names the route, the value and what was expected."""
    with pytest.raises(TemplateError, match=re.escape(problem)) as caught:
        RouteTable([RouteSpec("my-route", path, None)])
    assert "my-route" in str(caught.value)
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    ("template", "longest"),
    [
        ("/{name}", None),
        ("/{a}-{b}", None),
        ("/{year:int}-{month:int}-{slug}", None),
        ("/{a}-{n:int}", None),
        ("/{u:uuid}{a}.json", None),
        ("/v{p:float}m/{b}.json", None),
        ("/{owner}/{repo}/blob/{ref}/{rest:path}", None),
        ("/{a:path}/raw/{b}", None),
        ("/{owner}-{repo}.git", 1024),
        ("/x/{a}{n:int}.json", 1024),
        ("/{n:int}{m:int}", 1024),
        ("/{n:int}{p:float}.5", 1024),
        ("/{s:slug}-{b}.json", 1024),
        ("/{a}-{b}-{c}.git", 256),
        ("/{a}-{b}-{c}-{d}.git", 96),
        ("/{a}{b}{c}{d}{e}{f}{g}.git", 32),
    ],
)
@pytest.mark.usefixtures("convertors")
def test_item_05_a_segment_that_can_be_divided_in_many_ways_is_short(
    template: str, longest: int | None
) -> None:
    """What takes more than linear time to match is not matched with long texts; all else always is."""
    parsed = parse_template(template)
    found = {parsed.longest, *(each.longest for each in parsed.segments if isinstance(each, Piece))}
    assert found | {None} == {longest, None}


def test_item_05_what_is_too_long_to_be_divided_belongs_to_no_route(scope_of: ScopeOf) -> None:
    """Up to the limit, and where there is none, a template means what it means to Starlette."""
    table = table_of("/{owner}-{repo}.git", "/{a:path}/x/{b:path}/z", "/{a}-{b}")
    fits = "a-" + "b" * (1024 - 6) + ".git"
    for path, template in (
        (f"/{fits}", "/{owner}-{repo}.git"),
        (f"/b{fits}", "/{a}-{b}"),
        (f"/a/x/{'b' * 1000}/z", "/{a:path}/x/{b:path}/z"),
        (f"/a/x/{'b' * 1024}/z", None),
    ):
        match = table.match(scope_of(path.encode()))
        assert (match and match.route.endpoint) == template
