"""The declarations of one file: a struct for each object, a type for each set of values."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from forst_asgi.scaffold import literals
from forst_asgi.scaffold.declarations import Declaration, Enum, Field, Shape, Struct
from forst_asgi.scaffold.naming import camel, exported, unique
from forst_asgi.scaffold.schemas import Components, Schema
from forst_asgi.scaffold.shapes import Shapes

MISSING: Final = object()

ZERO: Final = frozenset({"nil", "false", "0", '""'})
"""What a field is anyway."""

METHOD: Final = "SetDefaults"
"""A method that structs may have, so no field can be called that."""

_LONG: Final = 80

RESERVED: Final = ("Input", "Register")
"""Names that the handler's file has for itself."""


class Declarations:
    """Makes declarations as shapes ask for them, each once.

    Args:
        components: the named schemas.
        sent: names of the schemas that are part of answers.
        received: names of the schemas that are part of requests.
        is_strict: whether the app's models are strict: nothing is converted then.
    """

    def __init__(
        self, components: Components, sent: frozenset[str], received: frozenset[str], *, is_strict: bool
    ) -> None:
        self.made: dict[str, Declaration] = {}
        self._components = components
        self._sent, self._received = sent, received
        self.is_strict = is_strict
        self._names: dict[str, str] = {}
        self._taken = set(RESERVED)
        self._open: list[str | None] = []
        self._building: set[str] = set()
        self._is_sending = False

    def shape(self, schema: Schema, hint: str, *, is_output: bool) -> Shape:
        """Return the shape of a body, parameter or answer."""
        self._is_sending = is_output
        return self._shapes(is_output=is_output).of(schema, hint)

    @contextmanager
    def within(self, name: str | None) -> Iterator[None]:
        """Remember that a named schema is being worked on."""
        self._open.append(name)
        try:
            yield
        finally:
            self._open.pop()

    def is_open(self, name: str) -> bool:
        """Whether a named list or map is part of itself; a struct may be."""
        return name in self._open and not self._components.resolve(self._components[name]).get("properties")

    def enum(self, name: str | None, values: list[Any], hint: str) -> str:
        """Return the name of the type for a set of values."""
        if name is not None and name in self._names:
            return self._names[name]
        go = self._name(name, hint)
        base = "string" if isinstance(values[0], str) else "int"
        members: list[tuple[str, str]] = []
        for value in dict.fromkeys(values):
            constant = self._reserve(go + camel(_word(value), "Empty"))
            members.append((constant, literals.text(value) if base == "string" else str(value)))
        said = self._components[name].get("description", "") if name is not None else ""
        self.made[go] = Enum(go, base, tuple(members), literals.prose(said))
        return go

    def struct(self, name: str | None, schema: Schema, hint: str) -> str:
        """Return the name of the struct for an object."""
        if name is not None and name in self._names:
            return self._names[name]
        go = self._name(name, hint)
        made = Struct(go, literals.prose(schema.get("description", "")))
        self.made[go] = made  # before its fields, which may refer to it
        is_sent = name in self._sent if name is not None else self._is_sending
        is_received = name in self._received if name is not None else not self._is_sending
        if is_received:
            made.manners = self._manners(schema)
        required = set(schema.get("required", ()))
        self._building.add(go)
        for wire, part in schema.get("properties", {}).items():
            self._add(made, wire, part, is_required=wire in required, way=(is_sent, is_received))
        self._building.discard(go)
        if not made.fields:
            made.doc = (*made.doc, "It has no fields.")
        return go

    def _add(
        self, to: Struct, wire: str, schema: Schema, *, is_required: bool, way: tuple[bool, bool]
    ) -> None:
        is_sent, is_received = way
        if not literals.is_tag_name(wire):
            to.doc = (*to.doc, f"The member {literals.text(wire)} is missing: Go's tags cannot name it.")
            to.manners = to.manners.replace("lax", "lax,ignore") if "ignore" not in to.manners else to.manners
            return
        name = unique(exported(wire), [METHOD, *(each.name for each in to.fields)])
        shape = self._shapes(is_output=is_sent).of(schema, to.name + name)
        doc = [*literals.prose(schema.get("description", "")), *shape.notes]
        go, rules, tag = shape.go, [*shape.rules], wire
        if is_received and not is_required:
            rules.insert(0, "optional")
            go, about_default = self._with_default(to, name, shape, schema.get("default", MISSING))
            doc += about_default
        elif shape.go in self._building:
            go = _pointer(shape)  # no Go struct holds itself
        if not is_received:
            rules, shape = [], replace(shape, pattern=None)
            if not is_required and _may_be_missing(shape, schema):
                go, tag = _pointer(shape), f"{wire},omitempty"
        to.fields.append(Field(name, go, "json", tag, tuple(rules), shape.pattern, tuple(doc)))

    def _with_default(self, to: Struct, name: str, shape: Shape, default: object) -> tuple[str, list[str]]:
        """Return the type of a field that may be absent, and note what it is then."""
        if default is MISSING and shape.kind in {"list", "map"}:
            return shape.go, []  # an empty one, nearly always, made by a default_factory
        if shape.is_nullable and (default is MISSING or default is None):
            return shape.go, []  # FastAPI leaves out a default of null
        expression = self.expression(shape, default)
        if expression is None:
            return _pointer(shape), [absent_note(default)]
        if expression not in ZERO:
            to.defaults.append((name, expression))
        return shape.go, []

    def expression(self, shape: Shape, default: object) -> str | None:
        """Return a default in Go, "nil" for an empty list or map, None for what is too much."""
        made: str | None = None
        match shape.kind, default:
            case _ if shape.is_nullable:
                pass
            case "bool", bool(flag):
                made = "true" if flag else "false"
            case "string", str(text):
                made = literals.text(text)
            case ("int", int(number)) | ("float", int(number) | float(number)):
                is_fine = not isinstance(number, bool) and (
                    shape.kind == "float" or literals.is_int64(int(number))
                )
                made = literals.number(number) if is_fine else None
            case "enum", _:
                made = self._constant(shape.go, default)
            case ("list", []) | ("map", {}) if not default:
                made = "nil"
        return made

    def _constant(self, go: str, default: object) -> str | None:
        enum = self.made[go]
        literal = literals.text(default) if isinstance(default, str) else str(default)
        return enum.constant(literal) if isinstance(enum, Enum) else None

    def _shapes(self, *, is_output: bool) -> Shapes:
        return Shapes(self._components, self, is_output=is_output)

    def _manners(self, schema: Schema) -> str:
        lax = () if self.is_strict else ("lax",)
        ignore = () if schema.get("additionalProperties") is False else ("ignore",)
        return ",".join([*lax, *ignore])

    def _name(self, name: str | None, hint: str) -> str:
        go = self._reserve(exported(name if name is not None else hint, "Object"))
        if name is not None:
            self._names[name] = go
        return go

    def _reserve(self, name: str) -> str:
        made = unique(name, self._taken)
        self._taken.add(made)
        return made


def absent_note(default: object) -> str:
    """Return a note on a default that Go's field does not get."""
    if default is MISSING:
        return "Absent, it is nil; Python has a default of its own."
    said = literals.one_line(json.dumps(default, ensure_ascii=False))
    return f"Absent, it is nil; in Python it is {said}." if len(said) < _LONG else absent_note(MISSING)


def _may_be_missing(shape: Shape, schema: Schema) -> bool:
    """Whether Python may leave it out of an answer: a model sends its defaults, a TypedDict has none.

    The default None is not in the description (FastAPI drops it), nor is what a default_factory makes.
    """
    return "default" not in schema and not shape.is_nullable and shape.kind not in {"list", "map", "any"}


def _pointer(shape: Shape) -> str:
    return shape.go if shape.is_nullable or shape.kind in {"raw", "any"} else f"*{shape.go}"


def _word(value: object) -> str:
    """Return what to call a value: -1 and 1 must not be one name."""
    return f"Minus {-value}" if isinstance(value, int) and value < 0 else str(value)
