"""Names, literals, and the text of generated files where apps are odd."""

from pathlib import Path
from typing import Any

import pytest

from forst_asgi.scaffold import Names, handler_files, literals
from forst_asgi.scaffold.gomodule import sources
from forst_asgi.scaffold.naming import exported, kebab, package, unique
from forst_asgi.scaffold.openapi import ScaffoldError, find_operation
from forst_asgi.scaffold.project import Change, Plan, mux_path


@pytest.mark.parametrize(
    ("name", "go"),
    [
        ("order_id", "OrderID"),
        ("orderId", "OrderID"),
        ("HTTPServer", "HTTPServer"),
        ("x-token", "XToken"),
        ("EUR", "EUR"),
        ("IN_PROGRESS", "InProgress"),
        ("2fa", "X2Fa"),
        ("größe", "Größe"),
        ("名前", "X名前"),
        ("a²b", "AB"),
        ("Page_Item_", "PageItem"),
        ("", "Field"),
        ("$", "Field"),
    ],
)
def test_exported_names(name: str, go: str) -> None:
    """Names of every style become what a Go programmer would write."""
    assert exported(name) == go


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get_order", "getorder"),
        ("func", "funcop"),
        ("main", "mainop"),
        ("1st", "op1st"),
        ("É", "op"),
        ("my_test", "mytestop"),
    ],
)
def test_package_names(name: str, expected: str) -> None:
    """No package has a name that means something to Go."""
    assert package(name) == expected


def test_ids_and_unique_names() -> None:
    """Ids of routes are in kebab case; a name that is taken gets a number."""
    assert (kebab("getOrder_v2"), kebab("名前")) == ("get-order-v-2", "route")
    assert unique("A", ["A", "A2"]) == "A3"


def test_literals() -> None:
    """Text is what Go reads as the same text."""
    assert literals.text('a"\\\n\u2028é') == '"a\\"\\\\\\n\\U00002028é"'
    assert literals.raw("a`b") == "`a\\u0060b`"
    assert [literals.number(each) for each in (1, 1.0, 0.5, 1e300)] == ["1", "1", "0.5", "1e+300"]
    assert literals.number(-9.223372036854776e18) == "-9223372036854775808"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("  One line.  ", ["One line."]),
        ("", []),
        ("One.\n\n\nTwo.", ["One.", "", "Two."]),
        ("Some ``code`` and '''more'''", ['Some `code` and "more"']),
        ("One.\n\nHeading\n\n- a\n- b", ["One.", "", "Heading:", "", "- a", "- b"]),
        ("[a]: https://example.com\n+build ignore", ["[a] https://example.com", "+ build ignore"]),
        ("\ufeffa\x00b", ["a b"]),
    ],
)
def test_prose_is_such_that_gofmt_leaves_it_alone(text: str, lines: list[str]) -> None:
    """What gofmt takes for markup in a doc comment is written as it would write it, or as no markup."""
    assert [*literals.prose(text)] == lines


@pytest.mark.parametrize(
    ("pattern", "is_fine"),
    [
        ("^a+$", True),
        (r"\d{3}", True),
        ("(?=a)", False),
        ("(?<!a)b", False),
        (r"(a)\1", False),
        ("a`b", False),
        ("(", False),
        ("a\n", False),
    ],
)
def test_patterns_that_go_takes(pattern: str, is_fine: bool) -> None:  # noqa: FBT001 - what is expected
    """What RE2 has no way for is left out."""
    assert literals.is_go_pattern(pattern) is is_fine


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/", "/{$}"),
        ("/a", "/a"),
        ("/a/", "/a/{$}"),
        ("/a/{b:int}/c", "/a/{b}/c"),
        ("/f/{rest:path}", "/f/{rest...}"),
    ],
)
def test_patterns_of_the_mux(path: str, pattern: str) -> None:
    """Go's mux matches what Starlette does, and no more."""
    assert mux_path(path) == pattern


@pytest.mark.parametrize("path", ["/a/{b}.json", "/a{b:int}", "/{a}-{b}"])
def test_paths_that_the_mux_has_no_pattern_for(path: str) -> None:
    """A parameter beside other text in one segment is refused, and named."""
    with pytest.raises(ScaffoldError, match="parameters that are a whole segment"):
        mux_path(path)


def written(operation: dict[str, Any], method: str = "POST") -> tuple[str, str]:
    """Handler and test for an operation."""
    document = {"paths": {"/x": {method.lower(): operation}}}
    return handler_files(
        find_operation(document, f"{method} /x"), Names("x", f"{method} /x"), is_strict=False
    )


def body(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An operation with a JSON body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, **more}}}}


def test_an_operation_that_says_nothing() -> None:
    """No id, no answers, no body: still a handler and a test."""
    handler, test = written({})
    assert "type Input struct{}" in handler
    assert "(out any, err error)" in handler
    assert '{"the example", "/x", ``, 200},' in test


def test_without_an_example_there_is_no_test() -> None:
    """The file says why, and what would help."""
    impossible = {"type": "string", "pattern": "^(x{3}y){2}$"}
    handler, test = written(body(impossible))
    assert 'pattern:"^(x{3}y){2}$"' in handler
    assert test.startswith("package x\n\n// No request comes to mind")
    form = {
        "requestBody": {"content": {"text/csv": {}}},
        "parameters": [{"name": "a", "in": "query", "required": True, "schema": impossible}],
    }
    assert "No request comes to mind" in written(form)[1]
    answers = {"responses": {"200": {"content": {"application/json": {"schema": impossible}}}}}
    assert "const example = `null`" in written(answers)[0]


def test_examples_of_the_whole_body() -> None:
    """Both forms of OpenAPI are taken, the first that fits."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert '`{"a": 5}`' in written(body(schema, example={"a": 5}))[1]
    assert (
        '`{"a": 6}`' in written(body(schema, examples={"bad": {"value": 1}, "good": {"value": {"a": 6}}}))[1]
    )


def test_odd_types() -> None:
    """What Go has no type for is left undecoded, with a comment."""
    schema = {
        "type": "object",
        "properties": {
            "either": {"type": ["string", "integer"]},
            "more": {
                "anyOf": [
                    {"const": "a"},
                    {"anyOf": [{"type": "integer"}, {"type": "string", "format": "date"}]},
                ]
            },
            "words": {"type": "array", "items": {"type": "string", "minLength": 1, "pattern": "^a"}},
            "none": {"type": "object", "additionalProperties": False},
            "look": {"type": "string", "pattern": "(?=a)"},
            "allof": {"allOf": [{"type": "integer"}]},
        },
    }
    handler, _ = written(body(schema))
    assert "// One of the types ['string', 'integer']; Go has no such type." in handler
    assert "// One of: 'a' or integer or string (date). Go has no unions" in handler
    assert "// The rules for each element are not checked here: min=1, pattern ^a." in handler
    assert "It has no fields." in handler
    assert "// The pattern (?=a) is not checked here" in handler
    assert "Allof *int" in handler
    optional = {"requestBody": {"content": {"application/json": {"schema": {"type": "integer"}}}}}
    assert 'Body *int `body:"json" forst:"optional,lax"`' in written(optional)[0]


def test_a_list_that_holds_itself() -> None:
    """Without an object in between, Go has no type for it that could be decoded."""
    components = {"schemas": {"T": {"type": "array", "items": {"$ref": "#/components/schemas/T"}}}}
    document = {"components": components, "paths": {"/x": {"post": body({"$ref": "#/components/schemas/T"})}}}
    handler, _ = handler_files(find_operation(document, "POST /x"), Names("x", "POST /x"), is_strict=True)
    assert "T holds itself without an object in between." in handler
    assert 'Body []any `body:"json"' in handler


def test_a_required_struct_within_itself() -> None:
    """It becomes a pointer, for no Go struct holds itself."""
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/N"}},
        "required": ["next"],
    }
    document = {
        "components": {"schemas": {"N": node}},
        "paths": {"/x": {"post": body({"$ref": "#/components/schemas/N"})}},
    }
    handler, _ = handler_files(find_operation(document, "POST /x"), Names("x", "POST /x"), is_strict=True)
    assert 'Next *N       `json:"next"`' in handler


def test_parameters_that_are_no_text() -> None:
    """What the text of a parameter cannot be is left as it came."""
    parameters = [
        {"name": "f", "in": "query", "schema": {"type": "object"}, "example": "e"},
        {
            "name": "n",
            "in": "query",
            "required": True,
            "schema": {"type": "array", "items": {"type": "integer"}},
        },
        {
            "name": "h",
            "in": "header",
            "required": True,
            "schema": {"type": "array", "items": {"type": "string"}},
        },
    ]
    handler, test = written({"parameters": parameters}, "GET")
    assert "// Undecoded: the text as it came." in handler
    assert '"/x?n=1"' in test
    assert 'r.Header.Set("h", "text")' in test


def test_paths_of_the_same_item_share_parameters() -> None:
    """Parameters of a path count for each of its operations."""
    shared = {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}
    document = {"paths": {"/x": {"parameters": [shared], "get": {}}}}
    assert [each.name for each in find_operation(document, "GET /x").parameters] == ["q"]


def test_an_app_without_operations() -> None:
    """The error says that there is none."""
    with pytest.raises(ScaffoldError, match="no operations at all"):
        find_operation({}, "GET /x")


def test_a_module_that_is_missing(tmp_path: Path) -> None:
    """The error names where it was looked for."""
    with pytest.raises(ScaffoldError, match=f"looked in {tmp_path}"):
        sources((tmp_path,))


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names it and the reason."""
    (tmp_path / "a").write_text("")
    with pytest.raises(ScaffoldError, match=r"a/b: (Not a directory|File exists)"):
        Plan([Change("a/b", "write", "x")]).carry_out(tmp_path)
