"""The same service with some endpoints in Go: the routes of forst.toml are forwarded to the sidecar.

python -m uvicorn demo_app.app:app
"""

from pathlib import Path

from demo_app.api import create_app
from forst_asgi import SidecarMiddleware

app = create_app()
app.add_middleware(SidecarMiddleware, config=Path(__file__).with_name("forst.toml"))
