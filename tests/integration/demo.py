"""The demo app with a configuration that names the binary that the tests have built."""

import os

from demo_app.api import create_app
from forst_asgi import SidecarMiddleware

app = create_app()
app.add_middleware(SidecarMiddleware, config=os.environ["FORST_TEST_CONFIG"])
