"""The service as it was before any of it moved to Go.

python -m uvicorn demo_app.api:app
"""

from collections import deque

from fastapi import FastAPI

from demo_app import stays, twins
from demo_app.answered_by import AnsweredBy

KEPT_NOTIFICATIONS = 100


def create_app() -> FastAPI:
    """Return a new app, which shares nothing that changes with others."""
    made = FastAPI(title="forst-asgi demo")
    made.state.outbox = deque(maxlen=KEPT_NOTIFICATIONS)
    made.state.routes = [*twins.router.routes, *stays.router.routes]
    made.include_router(twins.router)
    made.include_router(stays.router)
    made.add_middleware(AnsweredBy, name="python")
    return made


app = create_app()
