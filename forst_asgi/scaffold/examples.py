"""Values that fit a schema: those that the app's author gave, if they do fit, or made ones."""

import contextlib
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from forst_asgi.scaffold.fitting import Fitting
from forst_asgi.scaffold.schemas import Components, Schema, alternatives, without_null

_DEEPEST: Final = 6
_MOST_OPTIONAL: Final = 300
"""How many members that may be absent one example has; models within models would have no end of them."""

_TEXTS: Final = {
    "date-time": "2024-01-02T03:04:05Z",
    "date": "2024-01-02",
    "time": "03:04:05",
    "duration": "P1D",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "binary": "",
}
_TRIED: Final = (
    *("a", "A", "0", "1", "ab", "AB", "Ab", "a1", "A1", "A-1", "a-b", "a_b", "AB-1", "AB-12", "ABC-123"),
    *("12-34", "123-456", "00:00", "2024-01", "+1234567890", "#aabbcc", "v1", "v1.2.3", "1.2.3", "1.50"),
    *("ada@example.com", "https://example.com/", "AB12", "AB123456", "AB1234567890", "1 a", "A a"),
)


class NoExampleError(Exception):
    """No value comes to mind for this schema."""


class Examples:
    """Finds examples.

    Args:
        components: the named schemas.
        is_whole: whether objects have the members too that may be absent; answers of Python do.
    """

    def __init__(self, components: Components, *, is_whole: bool = False) -> None:
        self._components = components
        self._left = _MOST_OPTIONAL if is_whole else 0
        self._fitting = Fitting(components)

    def of(self, schema: Schema, *given: Any) -> Any:
        """Return a value that fits.

        Args:
            schema: what it has to fit.
            given: values that the app's author gave beside the schema.

        Raises:
            NoExampleError: none was given, and none can be made.
        """
        made = next((value for value in given if self._fitting.fits(schema, value)), _NONE)
        return self._make(schema, 0) if made is _NONE else made

    def _given(self, schema: Schema) -> Iterator[Any]:
        yield from schema.get("examples", ())
        if "example" in schema:
            yield schema["example"]

    def _make(self, schema: Schema, depth: int) -> Any:
        resolved = self._components.resolve(schema)
        for value in self._given(resolved):
            if self._fitting.fits(schema, value):
                return value
        bare, is_nullable = without_null(resolved)
        if depth > _DEEPEST:
            if is_nullable:
                return None
            raise NoExampleError
        return self._bare(self._components.resolve(bare), depth)

    def _bare(self, schema: Schema, depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        if choices := alternatives(schema):
            return self._make(choices[0], depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else None)
        if kind == "array":
            return self._list(schema, depth)
        return self._object(schema, depth) if kind in {"object", None} else _scalar(kind, schema)

    def _list(self, schema: Schema, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self._make(part, depth + 1) for part in schema["prefixItems"]]
        length = schema.get("minItems", 0)
        if length > 1 and schema.get("uniqueItems"):
            raise NoExampleError
        if length == 0 and (depth >= _DEEPEST - 2 or schema.get("maxItems") == 0):
            return []
        return [self._make(schema.get("items", {}), depth + 1)] * max(length, 1)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        if "properties" not in schema:
            more = schema.get("additionalProperties")
            return (
                {"key": self._make(more, depth + 1)}
                if isinstance(more, dict) and depth < _DEEPEST - 2
                else {}
            )
        made = {}
        for name, part in schema["properties"].items():
            if name in required:
                made[name] = self._make(part, depth + 1)
            elif self._left:
                with contextlib.suppress(NoExampleError):
                    made[name] = self._optional(part, depth + 1)
        return made

    def _optional(self, schema: Schema, depth: int) -> Any:
        self._left -= 1
        default = schema.get("default", _NONE)
        if default is not _NONE and self._fitting.fits(schema, default):
            return default
        if without_null(schema)[1] or depth > _DEEPEST - 2:
            raise NoExampleError  # absent is as good as anything
        return self._make(schema, depth)


_NONE: Final = object()


def _scalar(kind: str, schema: Schema) -> Any:
    match kind:
        case "string":
            return _string(schema)
        case "integer":
            return int(_number(schema, 1))
        case "number":
            return float(_number(schema, 0.5))
        case "boolean":
            return True
    raise NoExampleError


def _string(schema: Schema) -> str:
    least, greatest = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    form, pattern = schema.get("format"), schema.get("pattern")
    if form in _TEXTS and pattern is None:
        return _TEXTS[form]
    if pattern is None:
        return "text" if least <= len("text") <= greatest else "a" * int(least)
    lengths = range(1, 65)
    for text in (*_TRIED, "", *(char * length for length in lengths for char in "aA0")):
        if least <= len(text) <= greatest and re.search(pattern, text):
            return text
    raise NoExampleError


def _number(schema: Schema, by_default: float) -> float:
    """Return a number within the limits."""
    step = schema.get("multipleOf", 1 if schema["type"] == "integer" else None)
    least, greatest = _span(schema)
    for value in (by_default, 1, 0, least, greatest, least + 1, greatest - 1, (least + greatest) / 2):
        fitted = math.ceil(value / step) * step if step and math.isfinite(value) else value
        if _is_between(schema, fitted) and math.isfinite(fitted):
            return fitted
    raise NoExampleError


def _span(schema: Schema) -> tuple[float, float]:
    least = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    greatest = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return least, greatest


def _is_between(schema: Schema, value: float) -> bool:
    return bool(
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
    )
