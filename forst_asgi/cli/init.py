"""`forst-asgi init`: the first files, or those for one more route."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from forst_asgi.cli.app_import import describe, described_routes, load_app
from forst_asgi.cli.output import note, say
from forst_asgi.config import ConfigError, load
from forst_asgi.config.loader import FILE
from forst_asgi.scaffold import Ids, Plan, Project, find_operation, plan_hello, plan_route
from forst_asgi.scaffold.openapi import ScaffoldError

Route = Annotated[
    str | None,
    typer.Option("--route", metavar="ROUTE", help='An operation of the app, such as "POST /calculate".'),
]
App = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:NAME", help="The app. Left out: app:app, main:app and the like."),
]
AppDir = Annotated[Path, typer.Option(file_okay=False, exists=True, help="Where the app's modules are.")]
Folder = Annotated[str, typer.Option("--dir", metavar="DIR", help="The folder of the Go module.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite handlers, go.mod and the module's copy.")]
Strict = Annotated[bool, typer.Option("--strict", help="The models are strict: Go shall convert nothing.")]


def init(
    route: Route = None,
    app: App = None,
    app_dir: AppDir = Path(),
    folder: Folder = "sidecar",
    is_forced: Force = False,
    is_strict: Strict = False,
) -> None:
    """Write forst.toml and a Go module with a handler, for a route of the app if one is named."""
    project = Project(Path(), _inside(folder), is_forced)
    if route is None:
        plan = plan_hello(project)
    else:
        found = load_app(app, app_dir.absolute())
        plan = _plan_route(project, found, route, is_strict=is_strict)
        _check(plan, route)
    plan.carry_out(project.root)
    is_first = any((change.path, change.action) == (FILE, "write") for change in plan.changes)
    _tell(plan, project, is_first=is_first)


def _inside(folder: str) -> str:
    path = Path(folder)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise typer.BadParameter(f"{folder!r} is not a folder within this one", param_hint="--dir")
    return path.as_posix()


def _plan_route(project: Project, app: Any, route: str, *, is_strict: bool) -> Plan:
    operation = find_operation(describe(app), route)
    path = described_routes(app).get(operation.path, operation.path)
    return plan_route(project, operation, path, _ids(path, operation.method), is_strict=is_strict)


def _ids(path: str, method: str) -> Ids:
    """Return the ids of the routes that there are."""
    if not Path(FILE).exists():
        return Ids()
    try:
        config = load(FILE)
    except ConfigError as error:
        raise ConfigError(f"{FILE} has to be right before a route is added:\n{error}") from error
    wanted = path, frozenset({method})
    own = next((each.id for each in config.routes if (each.path, each.methods) == wanted), None)
    return Ids(own, frozenset(each.id for each in config.routes if each.id != own))


def _check(plan: Plan, route: str) -> None:
    """Make sure that the configuration that is planned can hold the route's path.

    Raises:
        ScaffoldError: it cannot.
    """
    text = next(change.text for change in plan.changes if change.path == FILE)
    if not text:
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, FILE)
        path.write_text(text, encoding="utf-8")
        try:
            load(path)
        except ConfigError as error:
            reasons = "; ".join(each.problem for each in error.mistakes if each.key.endswith(".path"))
            if reasons:
                raise ScaffoldError(f"{route} cannot be forwarded: {reasons}; nothing was written") from error


def _tell(plan: Plan, project: Project, *, is_first: bool) -> None:
    copy = f"{project.folder}/forst-asgi/"
    for change in plan.changes:
        if not change.path.startswith(copy):
            say(f"{_DONE[change.action]:<12}{change.path}")
    copied = [change.action for change in plan.changes if change.path.startswith(copy)]
    done = _DONE[max(copied, key=list(_DONE).index)]
    say(f"{done:<12}{copy} (a copy of the Go module, {len(copied)} files)")
    for advice in plan.advice:
        note(advice, "yellow")
    say("")
    for line in _next_steps(project, is_first=is_first):
        say(line)


_DONE = {"keep": "kept", "extend": "extended", "write": "wrote", "overwrite": "overwrote"}


def _next_steps(project: Project, *, is_first: bool) -> list[str]:
    steps = [f"Test it:             (cd {project.folder} && go test ./...)"]
    if is_first:
        steps += [
            "Add to the app:      from forst_asgi import SidecarMiddleware",
            '                     app.add_middleware(SidecarMiddleware, config="forst.toml")',
        ]
    return [*steps, 'Let Go answer:       mode = "on" in forst.toml; before that, forst-asgi check']
