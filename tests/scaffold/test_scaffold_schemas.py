"""Reading schemas, and finding values that fit them."""

import math
from typing import Any

import pytest

from forst_asgi.scaffold.examples import Examples, NoExampleError
from forst_asgi.scaffold.fitting import Fitting
from forst_asgi.scaffold.schemas import Components, reachable, without_null

DOCUMENT = {
    "components": {
        "schemas": {
            "A": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            "B": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/A"}}},
            "Loop": {"$ref": "#/components/schemas/Loop"},
            "Endless": {
                "type": "object",
                "properties": {"next": {"$ref": "#/components/schemas/Endless"}},
                "required": ["next"],
            },
            "MaybeEndless": {
                "type": "object",
                "properties": {
                    "next": {"anyOf": [{"$ref": "#/components/schemas/MaybeEndless"}, {"type": "null"}]}
                },
                "required": ["next"],
            },
        }
    }
}
COMPONENTS = Components(DOCUMENT)


def ref(name: str) -> dict[str, str]:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def test_references_and_what_stands_beside_them() -> None:
    """A default beside a reference counts; a reference to itself does not go on for ever."""
    assert COMPONENTS.resolve({**ref("A"), "default": {"a": 1}})["default"] == {"a": 1}
    assert COMPONENTS.resolve(ref("Loop")) == ref("Loop")
    assert COMPONENTS.name_of({"$ref": "other.json#/A"}) is None
    assert COMPONENTS["nothing"] == {}


def test_all_of() -> None:
    """One schema in allOf is that schema; several are one object with all properties."""
    assert COMPONENTS.resolve({"allOf": [ref("A")], "title": "T"})["title"] == "T"
    merged = COMPONENTS.resolve({"allOf": [ref("A"), ref("B"), {"description": "d"}]})
    assert list(merged["properties"]) == ["a", "b"]
    assert (merged["required"], merged["description"]) == (["a"], "d")


@pytest.mark.parametrize(
    ("schema", "rest"),
    [
        ({"type": ["string", "null"]}, {"type": "string"}),
        ({"type": ["string", "integer", "null"]}, {"type": ["string", "integer"]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T"}, {"title": "T", "type": "string"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        ({"enum": ["a", None]}, {"enum": ["a"]}),
        ({"type": "string", "nullable": True}, {"type": "string"}),
    ],
)
def test_null_is_told_from_the_rest(schema: dict[str, Any], rest: dict[str, Any]) -> None:
    """However it is spelt."""
    assert without_null(schema) == (rest, True)
    assert without_null(rest) == (rest, False)


def test_what_a_value_may_hold() -> None:
    """Names are found through properties, and each once."""
    assert reachable(COMPONENTS, {"type": "array", "items": ref("B")}) == {"A", "B"}
    assert reachable(COMPONENTS, ref("Endless")) == {"Endless"}


FITS: list[tuple[dict[str, Any], Any, bool]] = [
    ({}, None, True),
    ({"type": "string"}, None, False),
    ({"type": ["string", "null"]}, None, True),
    ({"const": 1}, 1, True),
    ({"const": 1}, True, False),
    ({"enum": ["a", "b"]}, "b", True),
    ({"enum": ["a"]}, "c", False),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, True),
    ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1.5, False),
    ({"type": "string", "minLength": 2}, "a", False),
    ({"type": "string", "maxLength": 2}, "abc", False),
    ({"type": "string", "pattern": "^a"}, "ba", False),
    ({"type": "string", "format": "date"}, "2024-01-02", True),
    ({"type": "string", "format": "date-time"}, "soon", False),
    ({"type": "boolean"}, True, True),
    ({"type": "integer"}, True, False),
    ({"type": "integer", "multipleOf": 5}, 10, True),
    ({"type": "integer", "multipleOf": 5}, 11, False),
    ({"type": "number", "exclusiveMinimum": 0}, 0, False),
    ({"type": "number", "maximum": 1}, 0.5, True),
    ({"type": "array", "items": {"type": "string"}}, ["a"], True),
    ({"type": "array", "items": {"type": "string"}}, [1], False),
    ({"type": "array", "minItems": 1}, [], False),
    ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], True),
    ({"type": "array", "prefixItems": [{"type": "string"}]}, ["a", 1], False),
    (ref("A"), {"a": 1}, True),
    (ref("A"), {}, False),
    (ref("A"), {"a": "x"}, False),
    (ref("A"), {"a": 1, "more": 2}, True),
    ({"type": "object", "properties": {}, "additionalProperties": False}, {"a": 1}, False),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, True),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "b"}, False),
    ({"type": "object"}, [], False),
]


@pytest.mark.parametrize(("schema", "value", "fits"), FITS)
def test_fitting(schema: dict[str, Any], value: Any, fits: bool) -> None:  # noqa: FBT001 - what is expected
    """A value fits or it does not."""
    assert Fitting(COMPONENTS).fits(schema, value) is fits


MADE: list[dict[str, Any]] = [
    {"type": "string", "minLength": 10},
    {"type": "string", "maxLength": 2},
    {"type": "string", "pattern": r"^\d{5}$"},
    {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{2}$"},
    {"type": "string", "format": "uuid"},
    {"type": "integer", "minimum": 5},
    {"type": "integer", "maximum": -5},
    {"type": "integer", "exclusiveMinimum": 5, "maximum": 6},
    {"type": "integer", "multipleOf": 7, "minimum": 10},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1},
    {"type": "number", "minimum": 3},
    {"type": "boolean"},
    {"type": "array", "minItems": 3, "items": {"type": "string"}},
    {"type": "array", "maxItems": 0, "items": {"type": "string"}},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object"},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    {"const": "x"},
    {"enum": [3, 4]},
    {},
    ref("B"),
    ref("MaybeEndless"),
    {"type": "string", "examples": [3, "good"]},
    {"type": "integer", "example": 7},
]


@pytest.mark.parametrize("schema", MADE, ids=str)
def test_made_values_fit(schema: dict[str, Any]) -> None:
    """Whatever can be made fits what it was made for, and none of it is infinite."""
    made = Examples(COMPONENTS).of(schema)
    assert Fitting(COMPONENTS).fits(schema, made)
    assert not isinstance(made, float) or math.isfinite(made)


@pytest.mark.parametrize(
    "schema",
    [
        ref("Endless"),
        {"type": "string", "pattern": "^(x{3}y){2}$"},
        {"type": "string", "minLength": 200, "pattern": "^a"},
        {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "integer"}},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"type": "strange"},
    ],
    ids=str,
)
def test_where_no_value_comes_to_mind(schema: dict[str, Any]) -> None:
    """It is said, instead of something that does not fit."""
    with pytest.raises(NoExampleError):
        Examples(COMPONENTS).of(schema)


def test_a_given_value_is_taken_if_it_fits() -> None:
    """The first one that does."""
    assert Examples(COMPONENTS).of({"type": "integer"}, "x", 5, 6) == 5
    assert Examples(COMPONENTS).of({"type": "integer"}, "x") == 1
