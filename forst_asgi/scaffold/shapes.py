"""What a schema is in Go: a type, rules for its tags, and notes on what Go cannot say."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, Protocol

from forst_asgi.scaffold import literals
from forst_asgi.scaffold.declarations import Shape
from forst_asgi.scaffold.schemas import Components, Schema, alternatives, without_null

_TEXTS: Final = {
    "date-time": "forstsidecar.Time",
    "date": "forstsidecar.Date",
    "uuid": "forstsidecar.UUID",
}
_NUMBER_RULES: Final = {
    "minimum": "min",
    "maximum": "max",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}
RAW: Final = "json.RawMessage"


class Declared(Protocol):
    """Who makes declarations for what has a name in Go."""

    def struct(self, name: str | None, schema: Schema, hint: str) -> str:
        """Return the name of the struct for an object."""
        ...

    def enum(self, name: str | None, values: list[Any], hint: str) -> str:
        """Return the name of the type for a set of values."""
        ...

    def within(self, name: str | None) -> AbstractContextManager[None]:
        """Remember that a named schema is being worked on."""
        ...

    def is_open(self, name: str) -> bool:
        """Whether a schema that is no object is being worked on further up."""
        ...


class Shapes:
    """Works out shapes; one for a file.

    Args:
        components: the named schemas.
        declared: makes the declarations.
        is_output: whether what it shapes is also sent; then lists and floats look as Python's do.
    """

    def __init__(self, components: Components, declared: Declared, *, is_output: bool) -> None:
        self._components = components
        self._declared = declared
        self._is_output = is_output

    def of(self, schema: Schema, hint: str) -> Shape:
        """Return the shape of a schema.

        Args:
            schema: may refer to a named one.
            hint: a Go name for what has none.
        """
        bare, is_nullable = without_null(schema)
        name = self._components.name_of(bare)
        if name is None and len(bare.get("allOf", ())) == 1:
            name = self._components.name_of(bare["allOf"][0])
        if name is not None and self._declared.is_open(name):
            return Shape("any", "any", notes=(f"{name} holds itself without an object in between.",))
        resolved = self._components.resolve(bare)
        resolved, is_also_nullable = without_null(resolved)
        with self._declared.within(name):
            shape = self._bare(name, resolved, hint)
        if not (is_nullable or is_also_nullable):
            return shape
        go = shape.go if shape.kind in {"raw", "any"} else f"*{shape.go}"
        return replace(shape, go=go, is_nullable=True)

    def _bare(self, name: str | None, schema: Schema, hint: str) -> Shape:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if values is not None:
            return self._choice(name, list(values), hint)
        if choices := alternatives(schema):
            return self._union(choices, schema.get("discriminator"))
        kind = schema.get("type", "object" if "properties" in schema else None)
        if kind == "array":
            return self._list(schema, hint)
        return self._object(name, schema, hint) if kind == "object" else self._scalar(kind, schema)

    def _scalar(self, kind: object, schema: Schema) -> Shape:
        match kind:
            case "string":
                return self._string(schema)
            case "integer":
                return Shape("int", "int", tuple(_limits(schema)), notes=tuple(_multiples(schema)))
            case "number":
                go = "forstsidecar.Float" if self._is_output else "float64"
                return Shape(go, "float", tuple(_limits(schema)), notes=tuple(_multiples(schema)))
            case "boolean":
                return Shape("bool", "bool")
            case None:
                return Shape("any", "any")
        return Shape(RAW, "raw", notes=(f"One of the types {kind}; Go has no such type.",))

    def _string(self, schema: Schema) -> Shape:
        form, pattern = schema.get("format"), schema.get("pattern")
        if form in _TEXTS:
            return Shape(_TEXTS[form], "text")
        notes = [f"The format {form} is not checked here."] if form else []
        if pattern is not None and not literals.is_go_pattern(pattern):
            notes.append(
                f"The pattern {literals.one_line(pattern)} is not checked here: Go has none of its features."
            )
            pattern = None
        rules = tuple(_lengths(schema, "minLength", "maxLength"))
        return Shape("string", "string", rules, pattern, tuple(notes))

    def _list(self, schema: Schema, hint: str) -> Shape:
        if "prefixItems" in schema:
            kinds = ", ".join(self._words(part) for part in schema["prefixItems"])
            return Shape(RAW, "raw", notes=(f"A list of exactly: {kinds}. Go has no tuples.",))
        element = self.of(schema.get("items", {}), hint)
        notes = [*element.notes, *_unchecked("element", element)]
        if schema.get("uniqueItems"):
            notes.append("No two elements are equal; not checked here.")
        go = f"forstsidecar.List[{element.go}]" if self._is_output else f"[]{element.go}"
        return Shape(go, "list", tuple(_lengths(schema, "minItems", "maxItems")), notes=tuple(notes))

    def _object(self, name: str | None, schema: Schema, hint: str) -> Shape:
        if schema.get("properties"):
            return Shape(self._declared.struct(name, schema, hint), "struct")
        more = schema.get("additionalProperties", True)
        if more is False:
            return Shape(self._declared.struct(name, schema, hint), "struct")
        element = self.of(more, hint) if isinstance(more, Mapping) else Shape("any", "any")
        go = f"forstsidecar.Map[{element.go}]" if self._is_output else f"map[string]{element.go}"
        notes = [*element.notes, *_unchecked("value", element)]
        if sizes := [*_lengths(schema, "minProperties", "maxProperties")]:
            notes.append(f"How many there are is not checked here: {', '.join(sizes)}.")
        return Shape(go, "map", notes=tuple(notes))

    def _choice(self, name: str | None, values: list[Any], hint: str) -> Shape:
        kinds = {type(value) for value in values}
        if kinds not in ({str}, {int}) or (kinds == {int} and not all(map(literals.is_int64, values))):
            listed = literals.one_line(", ".join(map(repr, values)))
            return Shape(
                RAW, "raw", notes=(f"One of {listed}; Go has no type for that, and it is not checked.",)
            )
        rules = () if name else ("literal",)
        return Shape(self._declared.enum(name, values, hint), "enum", rules)

    def _union(self, choices: Iterable[Schema], discriminator: Mapping[str, Any] | None) -> Shape:
        words = " or ".join(self._words(choice) for choice in choices)
        notes = [f"One of: {words}. Go has no unions: decode it once you know which."]
        if discriminator:
            notes.append(f"{discriminator['propertyName']} says which.")
        return Shape(RAW, "raw", notes=tuple(notes))

    def _words(self, schema: Schema) -> str:
        """Return what people call a schema."""
        name = self._components.name_of(schema)
        if name is not None:
            return name
        if "const" in schema:
            return repr(schema["const"])
        if alternatives(schema):
            return " or ".join(self._words(choice) for choice in alternatives(schema))
        kind = schema.get("type", "anything")
        if kind == "array":
            return f"a list of {self._words(schema.get('items', {}))}"
        form = schema.get("format")
        return f"{kind} ({form})" if form else str(kind)


def _unchecked(part: str, shape: Shape) -> Iterable[str]:
    """Yield a note on the rules for parts of a list or map, which have no field of their own."""
    rules = [rule for rule in shape.rules if rule != "literal"]  # which is a matter of words
    said = ", ".join([*rules, *([f"pattern {shape.pattern}"] if shape.pattern else [])])
    if said:
        yield f"The rules for each {part} are not checked here: {said}."


def _limits(schema: Schema) -> Iterable[str]:
    for key, rule in _NUMBER_RULES.items():
        if isinstance(schema.get(key), int | float) and not isinstance(schema[key], bool):
            yield f"{rule}={literals.number(schema[key])}"


def _lengths(schema: Schema, least: str, greatest: str) -> Iterable[str]:
    if schema.get(least):
        yield f"min={schema[least]}"
    if greatest in schema:
        yield f"max={schema[greatest]}"


def _multiples(schema: Schema) -> Iterable[str]:
    if "multipleOf" in schema:
        yield f"A multiple of {literals.number(schema['multipleOf'])}; not checked here."
