"""The two files of a handler: what it does, and its test."""

import json
from dataclasses import dataclass
from typing import Final

from forst_asgi.scaffold import literals, render
from forst_asgi.scaffold.cases import Case, Cases, Request
from forst_asgi.scaffold.declarations import Enum, Struct
from forst_asgi.scaffold.inputs import input_struct
from forst_asgi.scaffold.openapi import Operation
from forst_asgi.scaffold.schemas import reachable
from forst_asgi.scaffold.structs import Declarations
from forst_asgi.scaffold.templates import fill

_MODULE: Final = '"github.com/forst-asgi/forst-asgi/go/forstsidecar"'
_BODILESS: Final = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True)
class Names:
    """What the parts of a route are called.

    Attributes:
        package: the handler's package and folder.
        pattern: the pattern of Go's mux.
    """

    package: str
    pattern: str


def handler_files(operation: Operation, names: Names, *, is_strict: bool) -> tuple[str, str]:
    """Return the handler and its test.

    Args:
        operation: what the app describes.
        names: what it is called in Go.
        is_strict: whether the app's models are strict.
    """
    common = {"package": names.package, "pattern": literals.text(names.pattern)}
    common["doc"] = render.comment(_package_doc(operation, names.package))
    cases = Cases(operation)
    if not operation.is_json:
        kinds = " or ".join(operation.body_kinds)
        return fill("plain.go", {**common, "kinds": kinds}), _plain_test(operation, names, cases)
    return _json_files(operation, common, cases, is_strict=is_strict)


def _json_files(
    operation: Operation, common: dict[str, str], cases: Cases, *, is_strict: bool
) -> tuple[str, str]:
    sent = reachable(operation.components, operation.response or {})
    received = reachable(
        operation.components, operation.body or {}, *(p.schema for p in operation.parameters)
    )
    declarations = Declarations(operation.components, sent, received, is_strict=is_strict)
    made = [render.struct(input_struct(operation, declarations))]
    output = "any"
    if operation.response is not None and operation.status not in _BODILESS:
        output = declarations.shape(operation.response, "Output", is_output=True).go
    made += [render.declaration(each) for each in _ordered(declarations)]
    text = "\n".join(made)
    handler = fill(
        "handler.go",
        {
            **common,
            "imports": _imports(text, uses_json=operation.status not in _BODILESS),
            "options": _options(operation),
            "handle": _handle(operation, output, cases),
            "declarations": text,
        },
    )
    return handler.rstrip("\n") + "\n", _test(operation, common["package"], output, cases)


def _ordered(declarations: Declarations) -> list[Struct | Enum]:
    return list(declarations.made.values())


def _package_doc(operation: Operation, package: str) -> list[str]:
    summary = f": {literals.one_line(operation.summary)}" if operation.summary else ""
    lines = [f"Package {package} answers {operation.method} {operation.path}{summary}."]
    if not operation.security:
        return lines
    return [
        *lines,
        "",
        f"In Python it is protected by {', '.join(operation.security)}. Nothing of that runs for requests",
        "that come here: name a callable as the route's auth in forst.toml, and see",
        "forstsidecar.Identity.",
    ]


def _imports(text: str, *, uses_json: bool) -> str:
    standard = ['"context"', '"net/http"']
    if uses_json or "json." in text:
        standard.insert(1, '"encoding/json"')
    return "\n".join([*(f"\t{each}" for each in standard), "", f"\t{_MODULE}"])


def _options(operation: Operation) -> str:
    return "" if operation.status == 200 else f", forstsidecar.Status({operation.status})"


def _handle(operation: Operation, output: str, cases: Cases) -> str:
    if operation.status in _BODILESS:
        return fill("nothing.go", {})
    example = json.dumps(cases.answer(), indent="\t", ensure_ascii=False)
    return fill("handle.go", {"output": output, "example": literals.raw(example)})


def _test(operation: Operation, package: str, output: str, cases: Cases) -> str:
    good = cases.good()
    if good is None:
        return _no_test(package)
    is_typed = output != "any" and operation.status not in _BODILESS
    check = fill("check.go", {"status": str(operation.status), "output": output}) if is_typed else ""
    imports = ['"encoding/json"'] if is_typed else []
    lines = [*map(_case, cases.all(good))]
    return _filled_test(operation, package, (imports, lines, _headers(operation, good), check))


def _case(case: Case) -> str:
    cells = literals.text(case.name), literals.text(case.target), literals.raw(case.body), str(case.status)
    return f"\t\t{{{', '.join(cells)}}},\n"


def _plain_test(operation: Operation, names: Names, cases: Cases) -> str:
    good = cases.good()
    if good is None:
        return _no_test(names.package)
    line = _case(Case("not yet done", cases.target(good), "", 501))
    return _filled_test(operation, names.package, ([], [line], _headers(operation, good), ""))


def _filled_test(operation: Operation, package: str, parts: tuple[list[str], list[str], str, str]) -> str:
    imports, lines, headers, check = parts
    standard = [*imports, '"net/http"', '"net/http/httptest"', '"strings"', '"testing"']
    further = ["", f"\t{_MODULE}"] if "forstsidecar." in check else []
    values = {
        "package": package,
        "imports": "\n".join([*(f"\t{each}" for each in standard), *further]),
        "cases": "".join(lines),
        "method": literals.text(operation.method),
        "headers": headers,
        "check": check,
    }
    return fill("handler_test.go", values)


def _headers(operation: Operation, good: Request) -> str:
    """Return what adds the fields that every request of the test has."""
    lines = []
    if operation.body is not None:
        lines.append('r.Header.Set("Content-Type", "application/json")')
    for (source, name), value in good.values.items():
        said = literals.text(value if isinstance(value, str) else ",".join(value))
        if source == "header":
            lines.append(f"r.Header.Set({literals.text(name)}, {said})")
        elif source == "cookie":
            lines.append(f"r.AddCookie(&http.Cookie{{Name: {literals.text(name)}, Value: {said}}})")
    return "".join(f"\t\t\t{line}\n" for line in lines)


def _no_test(package: str) -> str:
    lines = (
        "No request comes to mind that fits the rules in the app's OpenAPI. Give the models",
        "examples (Field(examples=[...])) and run forst-asgi init once more, or write one here.",
    )
    return f"package {package}\n\n{render.comment(lines)}"
