"""What an app's OpenAPI document says about one operation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from forst_asgi.errors import ForstError
from forst_asgi.scaffold.schemas import Components, Schema

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_JSON: Final = re.compile(r"application/(\S+\+)?json\b.*", re.IGNORECASE)


class ScaffoldError(ForstError):
    """No code can be written for what was asked; the text says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path, query, header or cookie."""

    name: str
    source: str
    is_required: bool
    schema: Schema
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an app.

    Attributes:
        method: in capitals.
        path: as OpenAPI has it, with parameters in braces.
        name: what the app calls it.
        summary: one line for people.
        parameters: in the order of the document.
        body: the schema of a JSON body, None for no body or another kind.
        is_body_required: whether the body may be left out.
        body_kinds: the content types of a body, [] for no body.
        body_examples: whole bodies that the document gives.
        status: of a success.
        response: the schema of a JSON answer, None for no answer or another kind.
        response_examples: whole answers that the document gives.
        security: names of the schemes that the app checks.
        components: the named schemas of the document.
    """

    method: str
    path: str
    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    body: Schema | None
    is_body_required: bool
    body_kinds: tuple[str, ...]
    body_examples: tuple[Any, ...]
    status: int
    response: Schema | None
    response_examples: tuple[Any, ...]
    security: tuple[str, ...]
    components: Components

    @property
    def is_json(self) -> bool:
        """Whether what goes in, if anything does, is JSON."""
        return self.body is not None or not self.body_kinds


def find_operation(document: Mapping[str, Any], route: str) -> Operation:
    """Return the operation that a route such as "POST /calculate" names.

    Raises:
        ScaffoldError: the text is no method and path, or the app has no such operation.
    """
    method, _, path = route.strip().partition(" ")
    path = path.strip()
    if not path.startswith("/") or method.lower() not in _METHODS:
        raise ScaffoldError(f'"{route}" is no route; expected a method and a path such as "POST /calculate"')
    item = document.get("paths", {}).get(path, {})
    if method.lower() not in item:
        raise ScaffoldError(_unknown(document, method.upper(), path))
    found = {**item[method.lower()]}
    found["parameters"] = [*item.get("parameters", ()), *found.get("parameters", ())]
    return _operation(document, method.upper(), path, found)


def _unknown(document: Mapping[str, Any], method: str, path: str) -> str:
    known = [
        f"{verb.upper()} {each}"
        for each, item in document.get("paths", {}).items()
        for verb in item
        if verb in _METHODS
    ]
    near = get_close_matches(f"{method} {path}", known, n=1)
    listed = "\n".join(f"  {each}" for each in sorted(known, key=lambda each: each.split(" ")[1]))
    hint = f', did you mean "{near[0]}"?' if near else ""
    return f"the app describes no {method} {path}{hint}\nIt has:\n{listed or '  no operations at all'}"


def _operation(document: Mapping[str, Any], method: str, path: str, found: Mapping[str, Any]) -> Operation:
    body = found.get("requestBody", {})
    body_schema, body_examples = _json_content(body)
    status, answer = _success(found.get("responses", {}))
    response_schema, response_examples = _json_content(answer)
    security = found.get("security", document.get("security", ()))
    return Operation(
        method=method,
        path=path,
        name=_name(found.get("operationId", ""), method, path),
        summary=str(found.get("summary", "")),
        parameters=tuple(_parameters(found["parameters"])),
        body=body_schema,
        is_body_required=bool(body.get("required", False)),
        body_kinds=tuple(body.get("content", {})),
        body_examples=body_examples,
        status=status,
        response=response_schema,
        response_examples=response_examples,
        security=tuple(sorted({name for scheme in security for name in scheme})),
        components=Components(document),
    )


def _name(operation_id: str, method: str, path: str) -> str:
    """Return the name of the app's function, which FastAPI puts in front of path and method."""
    suffix = re.sub(r"\W", "_", path) + f"_{method.lower()}"
    name = operation_id.removesuffix(suffix)
    return name or operation_id or f"{method.lower()} {path}"


def _parameters(listed: Sequence[Mapping[str, Any]]) -> Iterator[Parameter]:
    for each in listed:
        schema = dict(each.get("schema", {}))
        if "example" in each:
            schema["examples"] = [each["example"]]
        yield Parameter(
            each["name"], each["in"], bool(each.get("required")), schema, str(each.get("description", ""))
        )


def _success(responses: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    codes = sorted(code for code in responses if re.fullmatch(r"2\d\d", code))
    return (int(codes[0]), responses[codes[0]]) if codes else (200, {})


def _json_content(holder: Mapping[str, Any]) -> tuple[Schema | None, tuple[Any, ...]]:
    for kind, content in holder.get("content", {}).items():
        if _JSON.fullmatch(kind):
            examples = [each.get("value") for each in content.get("examples", {}).values()]
            if "example" in content:
                examples.insert(0, content["example"])
            return content.get("schema", {}), tuple(examples)
    return None, ()
