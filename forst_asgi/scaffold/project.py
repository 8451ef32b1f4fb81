"""Which files of a project are written, extended or left alone.

    forst.toml              written, or a [[route]] added at its end
    sidecar/go.mod          written
    sidecar/main.go         written, or two lines added above the comments that wait for them
    sidecar/<route>/        the handler and its test: refused if they are there already
    sidecar/forst-asgi/     a copy of the Go module

Nothing that is there is overwritten unless it is asked for, and forst.toml and main.go never are: they hold
other routes too. A plan is worked out first, so that a refusal leaves nothing half done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Final, Literal, TypeAlias

from forst_asgi.scaffold import gomodule, literals
from forst_asgi.scaffold.handler import Names, handler_files
from forst_asgi.scaffold.naming import kebab, package, unique
from forst_asgi.scaffold.openapi import Operation, ScaffoldError
from forst_asgi.scaffold.templates import fill

_IMPORTS: Final = "\t// forst-asgi init adds imports above this line.\n"
_REGISTERED: Final = re.compile(r"\bmux\.Handle(?:Func)?\((\"[^\"]*\")")
_HANDLERS: Final = "\t// forst-asgi init adds handlers above this line.\n"

Action: TypeAlias = Literal["write", "overwrite", "extend", "keep"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file.

    Attributes:
        path: relative to the project.
        action: what is done.
        text: all of the new file; "" when it is kept.
    """

    path: str
    action: Action
    text: str = ""


@dataclass(slots=True)
class Plan:
    """What becomes of the project.

    Attributes:
        changes: by file, in order.
        advice: what is left to do by hand in files that are kept.
    """

    changes: list[Change] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    def carry_out(self, root: Path) -> None:
        """Write the files.

        Raises:
            ScaffoldError: the system refused one.
        """
        for change in self.changes:
            if change.action == "keep":
                continue
            path = root / change.path
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(change.text, encoding="utf-8")
            except OSError as error:
                raise ScaffoldError(f"{path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Project:
    """Where a scaffold goes.

    Attributes:
        root: the project's folder.
        folder: that of the Go module in it.
        is_forced: whether handlers, go.mod and the copy of the module may be overwritten.
    """

    root: Path
    folder: str = "sidecar"
    is_forced: bool = False

    def read(self, path: str) -> str | None:
        """Return what is in a file, None when there is none."""
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ScaffoldError(f"{self.root / path}: cannot be read: {error}") from error

    @property
    def module(self) -> str:
        """The path of the Go module: what its go.mod says, or one made of the project's name."""
        said = re.search(r"^module\s+(\S+)", self.read(f"{self.folder}/go.mod") or "", re.MULTILINE)
        if said:
            return said[1].strip('"')
        name = re.sub(r"[^a-z0-9.-]+", "-", self.root.resolve().name.lower()).strip("-.") or "app"
        return f"example.com/{name}/{package(Path(self.folder).name)}"


@dataclass(frozen=True, slots=True)
class Ids:
    """Which routes forst.toml has.

    Attributes:
        own: the id of the one for this operation, None if there is none yet.
        others: those of all others.
    """

    own: str | None = None
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RouteText:
    """What stands in forst.toml.

    Attributes:
        id: the route's.
        path: its template, with convertors.
        method: in capitals.
        mode: "on" or "off".
        auth: the line about who checks.
        is_there: whether it stands there already.
    """

    id: str
    path: str
    method: str
    mode: str
    auth: str
    is_there: bool = False


def plan_hello(project: Project) -> Plan:
    """Return what is to be done for a handler to begin with, GET /hello-from-go.

    Raises:
        ScaffoldError: it is there already, or a file cannot be read.
    """
    route = RouteText("hello-from-go", "/hello-from-go", "GET", "on", 'auth = "none"')
    return _plan(project, "hello", (fill("hello.go", {}), fill("hello_test.go", {})), route)


def plan_route(project: Project, operation: Operation, path: str, ids: Ids, *, is_strict: bool) -> Plan:
    """Return what is to be done for an operation of the app.

    Args:
        project: where.
        operation: which.
        path: its path as Starlette has it, with convertors such as "{rest:path}".
        ids: of the routes that forst.toml has.
        is_strict: whether the app's models are strict.

    Raises:
        ScaffoldError: its files are there already, or a file cannot be read.
    """
    pattern = f"{operation.method} {mux_path(path)}"
    name = _name(project, operation, pattern)
    names = Names(package(name), pattern)
    files = handler_files(operation, names, is_strict=is_strict)
    route_id = ids.own or unique(kebab(name), ids.others)
    auth = _auth(operation)
    route = RouteText(route_id, path, operation.method, "off", auth, is_there=ids.own is not None)
    return _plan(project, names.package, files, route)


def _name(project: Project, operation: Operation, pattern: str) -> str:
    """Return what to call an operation: as the app does, unless another one is called so already.

    Two routers of one app may well both have a `create`.
    """
    by_path = f"{operation.method} {operation.path}"
    numbered = (f"{by_path} {number}" for number in count(2))
    for name in chain([operation.name, by_path], numbered):
        found = project.read(f"{project.folder}/{package(name)}/{package(name)}.go") or ""
        patterns = _REGISTERED.findall(found)
        if not patterns or literals.text(pattern) in patterns:
            return name
    raise AssertionError("unreachable: there is always another number")


def mux_path(path: str) -> str:
    """Return the pattern of Go's mux for a path of Starlette's: nothing but that path shall match.

    Raises:
        ScaffoldError: Go's mux has none.
    """
    for segment in path.split("/"):
        if "{" in segment and not re.fullmatch(r"\{[^{}]*\}", segment):
            raise ScaffoldError(
                f'{path}: Go\'s mux has no pattern for "{segment}", only for parameters that are a whole '
                "segment; write this handler by hand, with a wildcard for the segment, and add its [[route]]"
            )

    def wildcard(found: re.Match[str]) -> str:
        name, _, convertor = found[1].partition(":")
        return f"{{{name}...}}" if convertor == "path" else f"{{{name}}}"

    pattern = re.sub(r"\{([^}]*)\}", wildcard, path)
    return pattern + "{$}" if pattern.endswith("/") else pattern


def _auth(operation: Operation) -> str:
    if operation.security:
        schemes = ", ".join(operation.security)
        return f'# auth = "module:callable" # in Python, {schemes} protects it; that does not run for Go'
    return '# auth = "none" # if it is public; the app\'s dependencies do not run for Go'


def _plan(project: Project, name: str, files: tuple[str, str], route: RouteText) -> Plan:
    plan = Plan()
    folder = f"{project.folder}/{name}"
    _add_handler(plan, project, {f"{folder}/{name}.go": files[0], f"{folder}/{name}_test.go": files[1]})
    _add_config(plan, project, route)
    _add_main(plan, project, name)
    module = {"module": project.module}
    _add_base(plan, project, {f"{project.folder}/go.mod": fill("go.mod", module)})
    _add_base(plan, project, {f"{project.folder}/.gitignore": "/bin/\n"})
    copies = {f"{project.folder}/{gomodule.FOLDER}/{path}": text for path, text in gomodule.sources().items()}
    _add_base(plan, project, copies)
    return plan


def _add_handler(plan: Plan, project: Project, files: Mapping[str, str]) -> None:
    present = [path for path in files if project.read(path) is not None]
    if present and not project.is_forced:
        listed = "\n".join(f"  {path}" for path in present)
        raise ScaffoldError(f"not overwritten without --force; nothing was written:\n{listed}")
    for path, text in files.items():
        plan.changes.append(Change(path, "overwrite" if path in present else "write", text))


def _add_base(plan: Plan, project: Project, files: Mapping[str, str]) -> None:
    """Plan files that all routes share: written once, renewed only when forced."""
    for path, text in files.items():
        found = project.read(path)
        if found is None:
            plan.changes.append(Change(path, "write", text))
        elif found == text:
            plan.changes.append(Change(path, "keep"))
        elif project.is_forced:
            plan.changes.append(Change(path, "overwrite", text))
        else:
            plan.changes.append(Change(path, "keep"))
            plan.advice.append(
                f"{path} is there and differs from what this version writes; --force renews it"
            )


def _add_config(plan: Plan, project: Project, route: RouteText) -> None:
    path, found = "forst.toml", project.read("forst.toml")
    if found is None and "[tool.forst" in (project.read("pyproject.toml") or ""):
        raise ScaffoldError(
            "the configuration is in pyproject.toml, which is not ours to write; move it to forst.toml"
        )
    block = fill(
        "route.toml",
        {
            "id": _toml(route.id),
            "path": _toml(route.path),
            "method": _toml(route.method),
            "mode": route.mode,
            "auth": route.auth,
        },
    )
    if found is None:
        text = fill("forst.toml", {"folder": project.folder}) + block
        plan.changes.append(Change(path, "write", text))
        return
    if not re.search(r"^\[sidecar\]", found, re.MULTILINE):
        plan.advice.append(
            f'{path}: has no table [sidecar]; add one with command = ["./{project.folder}/bin/sidecar"]'
        )
    if route.is_there or re.search(rf"^id\s*=\s*{re.escape(_toml(route.id))}", found, re.MULTILINE):
        plan.changes.append(Change(path, "keep"))
    else:
        plan.changes.append(Change(path, "extend", found.rstrip("\n") + "\n" + block))


def _add_main(plan: Plan, project: Project, name: str) -> None:
    path = f"{project.folder}/main.go"
    found = project.read(path)
    if found is None:
        text = fill("main.go", {"module": project.module, "package": name})
        plan.changes.append(Change(path, "write", text))
        return
    imported, registered = f'\t"{project.module}/{name}"\n', f"\t{name}.Register(mux)\n"
    if imported in found and registered in found:
        plan.changes.append(Change(path, "keep"))
    elif _IMPORTS in found and _HANDLERS in found:
        text = _with_import(found, imported).replace(_HANDLERS, registered + _HANDLERS)
        plan.changes.append(Change(path, "extend", text))
    else:
        plan.changes.append(Change(path, "keep"))
        plan.advice.append(f"{path}: import {imported.strip()} and call {registered.strip()}")


def _with_import(text: str, line: str) -> str:
    """Return the text with one more import, in gofmt's order."""
    before, _, after = text.partition(_IMPORTS)
    head, gap, imports = before.rpartition("\n\n")
    lines = sorted({*imports.splitlines(keepends=True), line})
    return head + gap + "".join(lines) + _IMPORTS + after


def _toml(value: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return literals.text(value)
