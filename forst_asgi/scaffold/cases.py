"""The requests of a generated test: one that is good, and some that break one rule each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from forst_asgi.scaffold.examples import Examples, NoExampleError
from forst_asgi.scaffold.literals import is_tag_name
from forst_asgi.scaffold.openapi import Operation, Parameter
from forst_asgi.scaffold.schemas import Schema, alternatives, without_null

MOST: Final = 12
"""How many requests a test has at most."""

_CHECKED: Final = frozenset({"integer", "number", "boolean"})


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what comes of it."""

    name: str
    target: str
    body: str
    status: int


@dataclass(frozen=True, slots=True)
class Request:
    """A good request, in parts.

    Attributes:
        values: of each parameter, by source and name.
        body: the JSON body, None for none.
    """

    values: dict[tuple[str, str], Any]
    body: Any = None


class Cases:
    """Makes the requests for one operation.

    Args:
        operation: what is tested.
    """

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._examples = Examples(operation.components)

    def good(self) -> Request | None:
        """Return a request that is answered, None if none comes to mind."""
        values = {}
        try:
            for each in self._operation.parameters:
                if each.is_required or each.source == "path":
                    values[each.source, each.name] = _text(self._examples.of(each.schema))
            if self._operation.body is None:
                return Request(values)
            return Request(values, self._examples.of(self._operation.body, *self._operation.body_examples))
        except NoExampleError:
            return None

    def answer(self) -> Any:
        """Return an answer that fits, None if none comes to mind."""
        try:
            examples = Examples(self._operation.components, is_whole=True)
            return examples.of(self._operation.response or {}, *self._operation.response_examples)
        except NoExampleError:
            return None

    def all(self, good: Request) -> list[Case]:
        """Return the cases: the good request first, then what is wrong with others."""
        body = "" if self._operation.body is None else _json(good.body)
        target = self.target(good)
        cases = [Case("the example", target, body, self._operation.status)]
        cases += [Case(name, bad, body, 422) for name, bad in self._bad_targets(good)]
        cases += [Case(name, target, bad, 422) for name, bad in self._bad_bodies(good)]
        return cases[:MOST]

    def target(self, request: Request) -> str:
        """Return path and query."""
        path, query = self._operation.path, []
        for (source, name), value in request.values.items():
            if source == "path":
                path = path.replace(f"{{{name}}}", quote(value, safe=""))
            elif source == "query":
                query += [(name, each) for each in (value if isinstance(value, list) else [value])]
        return f"{path}?{urlencode(query)}" if query else path

    def _bad_targets(self, good: Request) -> Iterator[tuple[str, str]]:
        for each in self._operation.parameters:
            place = each.source, each.name
            if each.source == "query" and each.is_required:
                rest = {key: value for key, value in good.values.items() if key != place}
                yield f"without {each.name}", self.target(Request(rest))
            if each.source in {"path", "query"} and self._is_checked(each):
                wrong = Request({**good.values, place: "wrong"})
                yield f"{each.name} of the wrong type", self.target(wrong)

    def _is_checked(self, parameter: Parameter) -> bool:
        """Whether "wrong" is a wrong value."""
        schema = self._plain(parameter.schema)
        return schema.get("type") in _CHECKED and not alternatives(schema)

    def _bad_bodies(self, good: Request) -> Iterator[tuple[str, str]]:
        if self._operation.body is None:
            return
        if self._operation.is_body_required:
            yield "without a body", ""
        schema = self._plain(self._operation.body)
        if alternatives(schema) or not schema.get("type", schema.get("properties")):
            return
        yield "a body that is no JSON", "{"
        if schema.get("properties") and isinstance(good.body, dict):
            yield "a body of the wrong type", '"wrong"'
            yield from self._bad_members(schema, good.body)

    def _bad_members(self, schema: Schema, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for name in filter(is_tag_name, schema.get("required", ())):
            yield f"without {name}", _json({key: value for key, value in body.items() if key != name})
        for name, part in schema["properties"].items():
            plain = self._plain(part)
            if (
                name in body
                and is_tag_name(name)
                and plain.get("type") in {*_CHECKED, "string", "array"}
                and "enum" not in plain
            ):
                yield f"{name} of the wrong type", _json({**body, name: {}})

    def _plain(self, schema: Schema) -> Schema:
        components = self._operation.components
        return components.resolve(without_null(components.resolve(schema))[0])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: Any) -> Any:
    """Return a value as a parameter has it."""
    if isinstance(value, list):
        return [_text(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)
