"""The struct that a request fills: parameters and body of one operation."""

from dataclasses import replace

from forst_asgi.scaffold import literals
from forst_asgi.scaffold.declarations import Field, Shape, Struct
from forst_asgi.scaffold.naming import exported, unique
from forst_asgi.scaffold.openapi import Operation, Parameter
from forst_asgi.scaffold.schemas import Schema, without_null
from forst_asgi.scaffold.structs import METHOD, ZERO, Declarations, absent_note

_SOURCES = ("path", "query", "header", "cookie")


def input_struct(operation: Operation, declarations: Declarations) -> Struct:
    """Return the struct `Input`; what its fields refer to is added to the declarations."""
    made = Struct("Input", ("Input is what a request says.",))
    for source in _SOURCES:
        for parameter in operation.parameters:
            if parameter.source == source:
                _add_parameter(made, parameter, declarations)
    if operation.body is not None:
        made.fields.append(
            _body(operation, declarations, unique("Body", [each.name for each in made.fields]))
        )
    return made


def _add_parameter(to: Struct, parameter: Parameter, declarations: Declarations) -> None:
    name = unique(exported(parameter.name, "Param"), [METHOD, *(each.name for each in to.fields)])
    shape = _of_text(declarations.shape(parameter.schema, name, is_output=False))
    rules = [*shape.rules]
    doc = [*filter(None, [literals.one_line(parameter.doc)]), *shape.notes]
    go = shape.go
    if not parameter.is_required:
        rules.insert(0, "optional")
        go, about_default = _with_default(to, name, shape, parameter.schema, declarations)
        doc += about_default
    to.fields.append(
        Field(name, go, parameter.source, parameter.name, tuple(rules), shape.pattern, tuple(doc))
    )


def _with_default(
    to: Struct, name: str, shape: Shape, schema: Schema, declarations: Declarations
) -> tuple[str, list[str]]:
    """Return the type of a parameter that may be absent, and note what it is then."""
    default = schema.get("default")
    expression = declarations.expression(shape, default)
    if expression is not None:
        to.defaults += [(name, expression)] if expression not in ZERO else []
        return shape.go, []
    doc = [] if default is None else [absent_note(default)]
    return shape.go if shape.kind == "list" or shape.is_nullable else f"*{shape.go}", doc


def _of_text(shape: Shape) -> Shape:
    """Return a shape that the text of a parameter can have."""
    if shape.kind == "list":
        return replace(shape, go=shape.go.removeprefix("*"), is_nullable=False)  # no text is null
    if shape.kind not in {"raw", "any", "map", "struct"}:
        return shape
    return Shape("string", "string", notes=(*shape.notes, "Undecoded: the text as it came."))


def _body(operation: Operation, declarations: Declarations, name: str) -> Field:
    schema = operation.body or {}
    shape = declarations.shape(schema, "Body", is_output=False)
    go, rules = shape.go, [*shape.rules]
    if shape.kind not in {"struct", "raw", "any"} and not declarations.is_strict:
        rules.append("lax")
    if not operation.is_body_required:
        rules.insert(0, "optional")
        if not without_null(schema)[1] and shape.kind not in {"list", "map", "raw", "any"}:
            go = f"*{go}" if not go.startswith("*") else go
    return Field(name, go, "body", "json", tuple(rules), shape.pattern, shape.notes)
