"""Apps as people write them, with everything in their schemas that makes Go think twice."""

# ruff: noqa: C901, FAST002, FBT001, FBT002, PLR0917 - what people write

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar
from uuid import UUID

from fastapi import Body, Cookie, Depends, FastAPI, File, Form, Header, Path, Query, UploadFile
from fastapi.responses import HTMLResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

T = TypeVar("T")


class Currency(str, Enum):  # noqa: UP042 - the older spelling, which more apps have
    """What can be paid with."""

    EUR = "EUR"
    USD = "USD"
    SWISS = "swiss-francs"
    NONE = ""


class Level(IntEnum):
    """How urgent."""

    LOW = -1
    ZERO = 0
    HIGH = 1


class Only(str, Enum):  # noqa: UP042 - as above
    """An enum of one."""

    ONE = "one"


class Address(BaseModel):
    """Where to send it.

    It has several lines: `code` and "quotes".
    """

    model_config = ConfigDict(extra="forbid")

    street: Annotated[str, Field(min_length=1, max_length=80)]
    postal_code: Annotated[str, Field(pattern=r"^\d{5}$", description="Five digits.")]
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "DE"


class Card(BaseModel):
    """One way to pay."""

    kind: Literal["card"]
    number: str


class Transfer(BaseModel):
    """Another way to pay."""

    kind: Literal["transfer"]
    iban: str


class Line(BaseModel):
    """A line of an order."""

    sku: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{3}$", examples=["ABC-123"])]
    count: Annotated[int, Field(ge=1, le=999)] = 1
    price: Annotated[Decimal, Field(ge=0)] = Decimal("1.50")
    discount: Annotated[float, Field(ge=0, lt=1)] = 0.25
    tags: list[str] = []
    notes: dict[str, str] = {}


class Order(BaseModel):
    """An order: one field for each kind."""

    id: UUID
    placed_at: datetime
    deliver_on: date | None = None
    at: time | None = None
    within: timedelta | None = None
    currency: Currency
    second_currency: Currency | None = None
    third: Currency = Currency.SWISS
    level: Level = Level.LOW
    state: Literal["new", "paid"] = "new"
    size: Literal[1, 2, 3]
    mixed: Literal["a", 1] | None = None
    only: Only = Only.ONE
    flag: bool = True
    lines: Annotated[list[Line], Field(min_length=1, max_length=50)]
    address: Address
    billing: Address | None = None
    payment: Annotated[Card | Transfer, Field(discriminator="kind")]
    either: int | str
    matrix: list[list[float]] = []
    prices: dict[str, Decimal] = {}
    nested: dict[str, list[Line]] = {}
    pair: tuple[int, str] = (1, "a")
    unique: set[int] = set()
    anything: Any = None
    link: AnyUrl | None = None
    factory: list[int] = Field(default_factory=list)
    made: Address = Field(default_factory=lambda: Address(street="x", postal_code="12345"))
    steps: Annotated[int, Field(multiple_of=5)] = 5
    ratio: Annotated[float, Field(gt=0)] = 1e-7
    quoted: str = 'a "b" \\ `c`\n\u00e9\u2028'
    type_: Annotated[str, Field(alias="type")] = "t"
    dashed: Annotated[str, Field(alias="x-dashed")] = "d"
    dashed_too: Annotated[str, Field(alias="x_dashed")] = "e"
    odd: Annotated[str, Field(alias="odd, name")] = "f"
    url_id: str = ""
    http_status: int = 200


class Tree(BaseModel):
    """A model that holds itself."""

    name: str
    children: list["Tree"] = []
    parent: "Tree | None" = None
    by_name: dict[str, "Tree"] = {}


class Ping(BaseModel):
    """One half of a pair that hold each other."""

    pong: "Pong | None" = None


class Pong(BaseModel):
    """The other half."""

    ping: Ping


class Matrix(RootModel[list[list[int]]]):
    """A list with a name."""


class Page(BaseModel, Generic[T]):
    """A model with a parameter."""

    items: list[T]
    next: str | None = None


class Partial(TypedDict):
    """An answer in which something may be missing."""

    a: int
    b: NotRequired[str]


class Loose(BaseModel):
    """A model that keeps what it does not know."""

    model_config = ConfigDict(extra="allow")

    a: int


class Empty(BaseModel):
    """Nothing."""


class Exemplary(BaseModel):
    """A model with an example."""

    model_config = ConfigDict(
        regex_engine="python-re", json_schema_extra={"examples": [{"name": 3}, {"name": "ada", "age": 36}]}
    )

    name: Annotated[str, Field(pattern="^(?!x).*$")]
    age: int


class Func(BaseModel):
    """Fields named as Go's keywords."""

    func: str
    type: int
    range: list[int]


def shop() -> FastAPI:
    """A shop, with all kinds of bodies and parameters."""
    app = FastAPI()
    bearer, key = HTTPBearer(), APIKeyHeader(name="x-key")

    @app.post("/orders", status_code=201)
    def create_order(order: Order) -> Order:
        """Create it."""
        return order

    @app.get("/orders/{order_id}", dependencies=[Depends(bearer), Depends(key)])
    def get_order(order_id: UUID) -> Page[Order]:
        """Return it."""
        return Page(items=[])

    @app.delete("/orders/{order_id}/", status_code=204)
    def delete_order(order_id: Annotated[int, Path(ge=1)]) -> None:
        """Delete it."""

    @app.put("/tree")
    def put_tree(tree: Tree) -> Tree | None:
        """Plant it."""
        return tree

    @app.post("/ping")
    def ping(ping: Ping) -> Pong:
        """Send it back."""
        return Pong(ping=ping)

    @app.post("/matrix")
    def matrix(matrix: Matrix) -> Matrix:
        """Send it back."""
        return matrix

    @app.get("/search/{kind}/{rest:path}")
    def search(
        kind: Currency,
        rest: str,
        x_needed: Annotated[int, Header()],
        needed: Annotated[str, Cookie()],
        q: Annotated[str, Query(min_length=3, pattern="^[a-z]+$", description="What to\nlook for.")],
        page: Annotated[int, Query(ge=1)] = 1,
        ratio: float | None = None,
        tags: Annotated[list[str] | None, Query()] = None,
        levels: Annotated[list[Level], Query()] = [],  # noqa: B006 - FastAPI copies it
        since: date | None = None,
        on: bool = False,
        order: Literal["up", "down"] = "up",
        x_token: Annotated[str, Header()] = "none",
        session: Annotated[str | None, Cookie()] = None,
    ) -> list[Partial]:
        """Find something."""
        return []

    @app.post("/both/{n}")
    def both(n: int, one: Address, two: Card, three: Annotated[int, Body()] = 3) -> dict[str, Loose]:
        """Take several bodies."""
        return {}

    @app.patch("/optional")
    def optional(address: Address | None = None) -> Empty:
        """Take a body or none."""
        return Empty()

    @app.post("/list")
    def many(values: list[int]) -> list[float]:
        """Take a list."""
        return []

    @app.post("/map")
    def mapping(values: dict[str, Level]) -> dict[str, list[datetime]]:
        """Take a map."""
        return {}

    @app.post("/scalar")
    def scalar(value: Annotated[bool, Body()]) -> bool:
        """Take one value."""
        return value

    @app.post("/union")
    def union(value: Card | Transfer | list[int]) -> Card | Transfer:
        """Take one of several."""
        raise NotImplementedError

    @app.post("/exemplary")
    def exemplary(value: Exemplary) -> Exemplary:
        """Take what the example shows."""
        return value

    @app.post("/any")
    def anything(value: Any = Body()) -> Any:  # noqa: B008 - FastAPI's way
        """Take anything."""
        return value

    @app.post("/form")
    def form(name: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> str:
        """Take a form."""
        return name

    @app.get("/page", response_class=HTMLResponse)
    def page() -> str:
        """Show something."""
        return ""

    @app.get("/")
    def root() -> dict[str, Any]:
        """Say hello."""
        return {}

    @app.post("/func")
    def func(body: Func) -> Func:
        """Have the name of a keyword."""
        return body

    @app.get("/123/{id}")
    def main(id: str) -> str:  # noqa: A002 - apps do that
        """Have the name of a function that is taken."""
        return id

    @app.get("/named", operation_id="An operation: named by hand!")
    def named() -> Loose:
        """Have an id of its own."""
        return Loose(a=1)

    return app
