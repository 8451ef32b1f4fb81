"""The app whose endpoints program/main.go has too: they send back what they understood."""

from datetime import date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Cookie, FastAPI, Header, Query, Response
from pydantic import BaseModel, Field, FiniteFloat


class Size(str, Enum):  # noqa: UP042 - the older spelling, which more apps have
    """Words."""

    S = "S"
    M = "M"
    L = "L"


class Level(IntEnum):
    """Numbers."""

    ONE = 1
    TWO = 2


class Part(BaseModel):
    """A model in a list."""

    name: str
    count: int = 1


class Thing(BaseModel):
    """One field for each kind of value, with pydantic's defaults: conversions, unknown fields ignored."""

    count: Annotated[int, Field(gt=0, lt=100)]
    ratio: Annotated[float, Field(ge=0, le=1.5)]
    on: bool
    name: Annotated[str, Field(pattern="^[a-z]+$", max_length=8)]
    size: Size
    level: Level
    kind: Literal["a", "b"]
    parts: Annotated[list[Part], Field(max_length=2)] = []
    sizes: dict[str, int] = {}
    deep: dict[str, list[bool]] = {}
    note: str | None = None
    at: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    child: "Thing | None" = None
    matrix: list[list[int]] = []


app = FastAPI()


@app.post("/thing")
def thing(thing: Thing) -> Thing:
    """Send it back."""
    return thing


@app.get("/items/{item_id}")
def get_item(  # noqa: PLR0917 - FastAPI passes them by name
    item_id: int,
    q: Annotated[str, Query(min_length=2, max_length=5)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    ratio: FiniteFloat | None = None,
    on: bool = False,  # noqa: FBT001, FBT002 - a parameter of the query
    tag: Annotated[list[int], Query()] = [],  # noqa: B006 - FastAPI copies it
    size: Size | None = None,
    level: Level | None = None,
    day: date | None = None,
    x_token: Annotated[str | None, Header(max_length=3)] = None,
    seen: Annotated[int | None, Cookie()] = None,
) -> dict[str, Any]:
    """Send back all parameters."""
    return dict(locals())


@app.post("/items/{item_id}", status_code=201)
def add_parts(item_id: int, limit: int, parts: Annotated[list[Part], Body(min_length=1)]) -> list[Any]:
    """Send back parameters and body."""
    return [item_id, limit, parts]


@app.put("/part")
def put_part(part: Part | None = None) -> Part | None:
    """Send back a body that may be left out."""
    return part


@app.delete("/part", status_code=204)
def delete_part() -> Response:
    """Say nothing."""
    return Response(status_code=204)
