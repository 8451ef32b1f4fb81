"""The endpoints that stay in Python: whatever forst.toml does not list goes to the app as ever."""

import hashlib
import os
import secrets
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Request, WebSocket
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.websockets import WebSocketDisconnect
from typing_extensions import TypedDict

from demo_app.models import NotificationIn

router = APIRouter(tags=["stays"])

_QUOTES = (
    ("Simplicity is prerequisite for reliability.", "Edsger W. Dijkstra"),
    ("Clear is better than clever.", "Rob Pike"),
    ("Explicit is better than implicit.", "Tim Peters"),
)


class Quote(TypedDict):
    """One saying."""

    id: int
    text: str
    author: str


class Report(TypedDict):
    """What an administrator sees."""

    requested_by: str
    pid: int
    notifications: int


@router.get("/", response_class=HTMLResponse)
def index(request: Request) -> str:
    """List the endpoints."""
    routes = [route for route in request.app.state.routes if isinstance(route, APIRoute)]
    rows = "".join(f"<li><code>{' '.join(sorted(r.methods or ()))} {r.path}</code></li>" for r in routes)
    return f"<!doctype html><title>forst-asgi demo</title><h1>forst-asgi demo</h1><ul>{rows}</ul>"


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the Python side is alive."""
    return {"status": "ok"}


@router.get("/quotes/{number}")
def quote(number: int) -> Quote:
    """Return one of a few sayings."""
    if not 1 <= number <= len(_QUOTES):
        raise HTTPException(404, "no such quote")
    text, author = _QUOTES[number - 1]
    return {"id": number, "text": text, "author": author}


def administrator(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    """Return the name of who may see reports: admin, with the password in DEMO_ADMIN_PASSWORD ("forst")."""
    given = hashlib.sha256(credentials.password.encode()).digest()
    wanted = hashlib.sha256(os.environ.get("DEMO_ADMIN_PASSWORD", "forst").encode()).digest()
    if not secrets.compare_digest(given, wanted) or credentials.username != "admin":
        raise HTTPException(401, "not an administrator", headers={"www-authenticate": "Basic"})
    return credentials.username


@router.get("/admin/report")
def report(request: Request, name: Annotated[str, Depends(administrator)]) -> Report:
    """Say something that is not for everybody: a check that runs in Python, as the endpoint does."""
    return {"requested_by": name, "pid": os.getpid(), "notifications": len(request.app.state.outbox)}


@router.post("/notifications", status_code=202)
def notify(notification: NotificationIn, request: Request, tasks: BackgroundTasks) -> dict[str, str]:
    """Accept a notification; it is delivered after the answer."""
    tasks.add_task(request.app.state.outbox.append, notification.model_dump())
    return {"status": "accepted"}


@router.get("/notifications")
def delivered(request: Request) -> list[dict[str, str]]:
    """Return the latest notifications that were delivered."""
    return list(request.app.state.outbox)


@router.websocket("/ws")
async def echo(websocket: WebSocket) -> None:
    """Send every text back."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        return
