"""`forst-asgi demo`: the order of things."""

import http.client
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from forst_asgi.cli.demo import report
from forst_asgi.cli.demo.checkout import DemoError, find_checkout, require
from forst_asgi.cli.demo.ports import ANY, DEFAULT_PORT, listen_near, listen_on, port_of
from forst_asgi.cli.demo.samples import SAMPLES
from forst_asgi.cli.demo.server import Server, serving
from forst_asgi.cli.demo.toolchain import build, find_go
from forst_asgi.cli.demo.trial import Outcome, expect, try_out
from forst_asgi.cli.output import note, progress
from forst_asgi.config import load

Once = Annotated[bool, typer.Option("--once", help="End after the table; fail if it is not as expected.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        help=f"Where to serve. Left out: {DEFAULT_PORT}, or the next port that is free.",
        show_default=False,
    ),
]


def demo(is_once: Once = False, port: Port = None) -> None:
    """Build and start the demo of the repository, compare Go with Python, and serve until Ctrl-C."""
    require()
    root = find_checkout(Path.cwd())
    with _ended_by_sigterm():
        _build(root)
        listener = listen_near(DEFAULT_PORT) if port is None else listen_on(port)
        if port is None and port_of(listener) != DEFAULT_PORT:
            note(f"port {DEFAULT_PORT} is taken, so this is on {port_of(listener)}")
        apps = [("demo_app.app:app", listener), ("demo_app.api:app", listen_on(ANY))]
        with serving(*apps, folder=root) as (guarded, python):
            is_fine = _try_all(root, guarded, python)
            if not is_once:
                _serve(guarded, python)
    if not is_fine:
        raise typer.Exit(1)


def _build(root: Path) -> None:
    go = find_go()
    with progress(
        f"building the Go sidecar in demo_app/sidecar ({go.version}; the first time takes a while)"
    ):
        build(go, root / "demo_app" / "sidecar")


def _try_all(root: Path, guarded: Server, python: Server) -> bool:
    """Make all requests and show what came of them; return whether that is as it should be."""
    with progress("starting the servers and the sidecar"):
        guarded.wait_until_ready()
        python.wait_until_ready()
    with progress(f"making {len(SAMPLES)} kinds of requests to both sides"):
        outcomes = list(_outcomes(root, guarded.port, python.port))
    report.show(outcomes)
    return not any(outcome.problems for outcome in outcomes)


def _outcomes(root: Path, port: int, python_port: int) -> Iterator[Outcome]:
    config = load(root / "demo_app" / "forst.toml")
    for sample in SAMPLES:
        try:
            yield try_out(sample, expect(config, sample), port, python_port)
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"{sample.label}: {type(error).__name__}: {error}") from error


def _serve(guarded: Server, python: Server) -> None:
    report.invite(guarded, python)
    guarded.show_output()
    try:
        guarded.wait()
    except KeyboardInterrupt:
        note("stopping")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: end everything in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
