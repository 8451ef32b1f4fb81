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


class Trap(BaseModel):
    """What gofmt writes otherwise: ``code``, ''quotes'', and what follows.

    Heading

    [link]: https://example.com


    +build ignore
    - a list
    """

    SetDefaults: int = 1
    empty: Annotated[str, Field(alias="")] = ""
    huge: int = 2**65
    limits: Annotated[int, Field(ge=-(2**63), le=2**70)] = 0
    many: Annotated[dict[str, Annotated[str, Field(max_length=3)]], Field(max_length=2)] = {}
    build: Annotated[int, Field(description="+build ignore")] = 1


class Sent(BaseModel):
    """An answer whose members may be absent, and must not be empty texts then."""

    id: UUID = UUID(int=0)
    made: UUID = Field(default_factory=lambda: UUID(int=0))
    currency: Currency = Currency.EUR
    tree: Tree = Tree(name="root")


def shop() -> FastAPI:
    """A shop, with all kinds of bodies and parameters."""
    app = FastAPI()
    bearer, key = HTTPBearer(), APIKeyHeader(name="x-key")

    @app.post("/orders", status_code=201, response_model=Order)
    def create_order(order: Order) -> Any:
        """Create it."""

    @app.get("/orders/{order_id}", dependencies=[Depends(bearer), Depends(key)], response_model=Page[Order])
    def get_order(order_id: UUID) -> Any:
        """Return it."""

    @app.delete("/orders/{order_id}/", status_code=204)
    def delete_order(order_id: Annotated[int, Path(ge=1)]) -> None:
        """Delete it."""

    @app.put("/tree", response_model=Tree | None)
    def put_tree(tree: Tree) -> Any:
        """Plant it."""

    @app.post("/ping", response_model=Pong)
    def ping(ping: Ping) -> Any:
        """Send it back."""

    @app.post("/matrix", response_model=Matrix)
    def matrix(matrix: Matrix) -> Any:
        """Send it back."""

    @app.get("/search/{kind}/{rest:path}", response_model=list[Partial])
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
    ) -> Any:
        """Find something."""

    @app.post("/both/{n}", response_model=dict[str, Loose])
    def both(n: int, one: Address, two: Card, three: Annotated[int, Body()] = 3) -> Any:
        """Take several bodies."""

    @app.patch("/optional", response_model=Empty)
    def optional(address: Address | None = None) -> Any:
        """Take a body or none."""

    @app.post("/list", response_model=list[float])
    def many(values: list[int]) -> Any:
        """Take a list."""

    @app.post("/map", response_model=dict[str, list[datetime]])
    def mapping(values: dict[str, Level]) -> Any:
        """Take a map."""

    @app.post("/scalar", response_model=bool)
    def scalar(value: Annotated[bool, Body()]) -> Any:
        """Take one value."""

    @app.post("/union", response_model=Card | Transfer)
    def union(value: Card | Transfer | list[int]) -> Any:
        """Take one of several."""

    @app.post("/exemplary", response_model=Exemplary)
    def exemplary(value: Exemplary) -> Any:
        """Take what the example shows."""

    @app.post("/any")
    def anything(value: Any = Body()) -> Any:  # noqa: B008 - FastAPI's way
        """Take anything."""

    @app.post("/form", response_model=str)
    def form(name: Annotated[str, Form()], file: Annotated[UploadFile, File()]) -> Any:
        """Take a form."""

    @app.get("/page", response_class=HTMLResponse)
    def page() -> Any:
        """Show something."""

    @app.get("/", response_model=dict[str, Any])
    def root() -> Any:
        """Say hello."""

    @app.post("/func", response_model=Func)
    def func(body: Func) -> Any:
        """Have the name of a keyword."""

    @app.get("/123/{id}", response_model=str)
    def main(id: str) -> Any:  # noqa: A002 - apps do that
        """Have the name of a function that is taken."""

    @app.get("/named", operation_id="An operation: named by hand!", response_model=Loose)
    def named() -> Any:
        """Have an id of its own."""

    return app


def odd() -> FastAPI:
    """What trips over Go and gofmt."""
    app = FastAPI()

    @app.post("/traps", response_model=Sent)
    def documentation(
        trap: Trap,
        SetDefaults: int = 2,  # noqa: N803 - as above
        levels: Annotated[list[Level], Query()] = [Level.LOW],  # noqa: B006 - FastAPI copies it
    ) -> Any:
        """Have the name of a package that Go ignores."""

    @app.get("/mux", response_model=Sent)
    def mux() -> Any:
        """Have the name of what main.go has."""

    @app.get("/init", response_model=list[Sent])
    def init() -> Any:
        """Have a name that no import can have."""

    return app
