"""`forst-asgi dev`: uvicorn with --reload, and the sidecar beside it, so that neither reloads the other.

The sidecar belongs to this command; uvicorn's workers, which come and go with every saved Python file, are in
its process group and use it; both take in a changed configuration alike. With `build` and `watch` a saved Go
file replaces the Go process, and nothing else. A mistake in the source, even one that is there from the
start, ends nothing: it is shown here, and to whoever asks a route of that sidecar, until it is mended.
"""

import asyncio
import os
import signal
import sys
from contextlib import aclosing
from typing import Annotated

import typer

from forst_asgi.cli.options import ConfigOption
from forst_asgi.config import load
from forst_asgi.development import VARIABLE
from forst_asgi.reload import Succession
from forst_asgi.runtime import Runtime

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def dev(
    ctx: typer.Context,
    app: Annotated[str, typer.Argument(metavar="APP", help="The app, as uvicorn takes it: module:name.")],
    file: ConfigOption = None,
) -> None:
    """Serve an app while you work on it; all further options are uvicorn's.

    A saved Python file reloads the app, a saved Go file replaces the sidecar, and neither does the other.
    """
    os.environ[VARIABLE] = "1"  # for uvicorn's workers as well
    raise typer.Exit(asyncio.run(_serve(Runtime(load(file)), [app, "--reload", *ctx.args])))


async def _serve(runtime: Runtime, arguments: list[str]) -> int:
    async with aclosing(Succession(runtime, lambda _: None)) as living:
        await living.start()
        # In our process group, which is how its workers find the sidecar that is ours.
        server = await asyncio.create_subprocess_exec(sys.executable, "-m", "uvicorn", *arguments)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # a terminal sends it to uvicorn too
        loop.add_signal_handler(signal.SIGTERM, server.terminate)
        try:
            return await server.wait()
        finally:
            if server.returncode is None:
                server.kill()
                await server.wait()
