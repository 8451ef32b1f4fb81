"""What is generated for real apps compiles, is as gofmt has it, and passes its own tests at once."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from demo_app.api import create_app
from forst_asgi.cli.app_import import described_routes
from forst_asgi.scaffold import Ids, Project, find_operation, plan_hello, plan_route
from tests.gomodule.twin import app as twin
from tests.scaffold.apps import odd, shop

METHODS = {"get", "put", "post", "delete", "patch"}


def apps() -> Mapping[str, FastAPI]:
    """The apps, by name."""
    return {"shop": shop(), "odd": odd(), "demo": create_app(), "twin": twin}


def routes(document: Mapping[str, Any]) -> list[str]:
    """Every operation of a document."""
    return [
        f"{verb.upper()} {path}"
        for path, item in document["paths"].items()
        for verb in item
        if verb in METHODS
    ]


@pytest.fixture(scope="module")
def scaffolds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A project for each app, with a handler for each of its operations."""
    made = {}
    for name, app in apps().items():
        root = made[name] = tmp_path_factory.mktemp(name)
        plan_hello(Project(root)).carry_out(root)
        document = app.openapi()
        paths = described_routes(app)
        taken: frozenset[str] = frozenset()
        for route in routes(document):
            operation = find_operation(document, route)
            path = paths.get(operation.path, operation.path)
            plan = plan_route(Project(root), operation, path, Ids(None, taken), is_strict=name == "demo")
            plan.carry_out(root)
            taken = frozenset(re.findall(r'^id = "(.*)"', (root / "forst.toml").read_text(), re.MULTILINE))
    return made


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command that has two minutes and no network."""
    environ = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shop", "odd", "demo", "twin"])
def test_generated_code_builds_and_passes_its_tests(
    scaffolds: Mapping[str, Path], name: str, go_binary: str
) -> None:
    """Vet finds nothing, gofmt would change nothing, the tests pass."""
    folder = scaffolds[name] / "sidecar"
    gofmt = Path(run([go_binary, "env", "GOROOT"], folder).stdout.strip()) / "bin" / "gofmt"
    unformatted = run([str(gofmt), "-d", "."], folder)
    assert unformatted.stdout + unformatted.stderr == ""
    vetted = run([go_binary, "vet", "./..."], folder)
    assert vetted.returncode == 0, vetted.stderr
    tested = run([go_binary, "test", "-vet=off", "."], in_one_binary(folder))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def in_one_binary(folder: Path) -> Path:
    """Let one test of the program run those of all its packages: linking each by itself takes a minute."""
    packages = sorted(path.parent.name for path in folder.glob("*/*_test.go"))
    for name in packages:
        path = folder / name / f"{name}_test.go"
        path.rename(path.with_name(f"{name}_checked.go"))
    module = re.search(r"^module (.*)", (folder / "go.mod").read_text(), re.MULTILINE)
    assert module is not None
    imports = "".join(f'\t"{module[1]}/{name}"\n' for name in packages)
    runs = "".join(f'\tt.Run("{name}", {name}.TestHandle)\n' for name in packages)
    text = f'package main\n\nimport (\n\t"testing"\n{imports})\n\nfunc TestAll(t *testing.T) {{\n{runs}}}\n'
    (folder / "main_test.go").write_text(text)
    return folder
