"""Reading JSON Schema as FastAPI writes it (OpenAPI 3.1, JSON Schema 2020-12)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

_PREFIX: Final = "#/components/schemas/"
_DESCRIBING: Final = frozenset({"title", "description", "default", "examples", "example", "deprecated"})


class Components:
    """The named schemas of a document.

    Args:
        document: an OpenAPI document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Schema] = document.get("components", {}).get("schemas", {})

    def __getitem__(self, name: str) -> Schema:
        return self._schemas.get(name, {})

    def name_of(self, schema: Schema) -> str | None:
        """Return which named schema this one refers to, None if it stands for itself."""
        reference = schema.get("$ref", "")
        if reference.startswith(_PREFIX):
            return str(reference.removeprefix(_PREFIX))
        return None

    def resolve(self, schema: Schema) -> Schema:
        """Return what a schema means, through references and `allOf`; what is said beside them is kept."""
        seen = set()
        while True:
            name, merged = self.name_of(schema), schema.get("allOf")
            if name is not None and name not in seen:
                seen.add(name)
                schema = {**self[name], **_beside(schema, "$ref")}
            elif merged:
                schema = {**self._merge(merged), **_beside(schema, "allOf")}
            else:
                return schema

    def _merge(self, parts: Sequence[Schema]) -> dict[str, Any]:
        """Return one schema for several that all have to hold."""
        if len(parts) == 1:
            return dict(parts[0])
        whole: dict[str, Any] = {}
        for part in map(self.resolve, parts):
            properties = {**whole.get("properties", {}), **part.get("properties", {})}
            required = [*whole.get("required", []), *part.get("required", [])]
            whole = {**whole, **part}
            if properties:
                whole |= {"properties": properties, "required": required}
        return whole


def _beside(schema: Schema, key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def alternatives(schema: Schema) -> list[Schema]:
    """Return what `anyOf` or `oneOf` lists; [] without them."""
    return list(schema.get("anyOf") or schema.get("oneOf") or ())


def without_null(schema: Schema) -> tuple[Schema, bool]:
    """Return a schema without its null, and whether it had one."""
    if schema.get("nullable"):  # OpenAPI 3.0
        return {key: value for key, value in schema.items() if key != "nullable"}, True
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        rest = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": rest[0] if len(rest) == 1 else rest}, True
    choices = alternatives(schema)
    some = [choice for choice in choices if choice.get("type") != "null"]
    if len(some) == len(choices):
        return _without_null_value(schema)
    kept = {key: value for key, value in schema.items() if key in _DESCRIBING}
    return ({**kept, **some[0]} if len(some) == 1 else {**kept, "anyOf": some}), True


def _without_null_value(schema: Schema) -> tuple[Schema, bool]:
    values = schema.get("enum", ())
    if None not in values:
        return schema, False
    return {**schema, "enum": [value for value in values if value is not None]}, True


def parts_of(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas that a schema is made of, one level down."""
    yield from schema.get("properties", {}).values()
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield schema[key]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from schema.get(key, ())


def reachable(components: Components, *roots: Schema) -> frozenset[str]:
    """Return the names of all named schemas that a value may hold."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        schema = waiting.pop()
        name = components.name_of(schema)
        if name is not None and name not in found:
            found.add(name)
            waiting.append(components[name])
        waiting.extend(parts_of(schema))
    return frozenset(found)
