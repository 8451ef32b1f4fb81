"""Does a value fit a schema? In doubt it does not: an example has to pass in Go and in Python."""

import math
import re
from typing import Any, Final

from forst_asgi.scaffold.schemas import Components, Schema, alternatives, without_null

_FORMS: Final = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?",
    "date": r"\d{4}-\d\d-\d\d",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}


class Fitting:
    """Holds values against schemas.

    Args:
        components: the named schemas.
    """

    def __init__(self, components: Components) -> None:
        self._components = components

    def fits(self, schema: Schema, value: Any) -> bool:
        """Whether a value is one that the schema describes."""
        bare, is_nullable = without_null(self._components.resolve(schema))
        if value is None:
            return is_nullable or not (bare.keys() - {"title", "description", "examples", "default"})
        bare = self._components.resolve(bare)
        if "const" in bare:
            return _is_same(bare["const"], value)
        if "enum" in bare:
            return any(_is_same(each, value) for each in bare["enum"])
        if choices := alternatives(bare):
            return any(self.fits(choice, value) for choice in choices)
        return self._fits_type(bare, value)

    def _fits_type(self, schema: Schema, value: Any) -> bool:
        match schema.get("type", "object" if "properties" in schema else None), value:
            case "string", str():
                return _fits_string(schema, value)
            case ("boolean", bool()) | (None, _):
                return True
            case ("integer", int()) | ("number", int() | float()) if not isinstance(value, bool):
                return _fits_number(schema, value)
            case "array", list():
                return self._fits_list(schema, value)
            case "object", dict():
                return self._fits_object(schema, value)
        return False

    def _fits_list(self, schema: Schema, value: list[Any]) -> bool:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
            return False
        if "prefixItems" in schema:
            parts = schema["prefixItems"]
            return len(parts) == len(value) and all(map(self.fits, parts, value))
        return all(self.fits(schema.get("items", {}), each) for each in value)

    def _fits_object(self, schema: Schema, value: dict[str, Any]) -> bool:
        known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        if not value.keys() >= set(schema.get("required", ())):
            return False
        for name, each in value.items():
            if name in known:
                part = known[name]
            elif more is False:
                return False
            else:
                part = more if isinstance(more, dict) else {}
            if not self.fits(part, each):
                return False
        return True


def _is_same(expected: object, value: object) -> bool:
    return type(expected) is type(value) and expected == value


def _fits_string(schema: Schema, value: str) -> bool:
    form, pattern = schema.get("format"), schema.get("pattern")
    return (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
        and (form not in _FORMS or re.fullmatch(_FORMS[form], value) is not None)
        and (pattern is None or re.search(pattern, value) is not None)
    )


def _fits_number(schema: Schema, value: float) -> bool:
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        and (step is None or value % step == 0)
    )
