"""Go code for an operation that an app describes in OpenAPI: a start that compiles and passes its test.

    openapi.py     what the app's description says about one operation
    schemas.py     following $ref, telling null from the rest
    naming.py      Go identifiers for Python's names
    shapes.py      what a schema is in Go: type, rules, doubts
    structs.py     the declarations that shapes refer to
    inputs.py      the struct that a request fills
    examples.py    values that fit a schema, given or made
    render.py      Go text, as gofmt has it
    handler.py     the handler's file and its test
    project.py     which files are written, extended or left alone
    gomodule.py    the Go module that the scaffold brings along

Pure but for project.py and gomodule.py: documents in, text out.
"""

from forst_asgi.scaffold.handler import Names, handler_files
from forst_asgi.scaffold.openapi import Operation, find_operation
from forst_asgi.scaffold.project import Ids, Plan, Project, plan_hello, plan_route

__all__ = [
    "Ids",
    "Names",
    "Operation",
    "Plan",
    "Project",
    "find_operation",
    "handler_files",
    "plan_hello",
    "plan_route",
]
