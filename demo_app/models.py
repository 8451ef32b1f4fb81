"""The bodies of requests, as pydantic models: strict, so that Go can have the same rules."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class Strict(BaseModel):
    """A model that converts nothing and knows all its fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class OrderIn(Strict):
    """An order as it comes in: its fields are checked one by one later, and answered for one by one."""

    id: str
    customer: str
    email: str
    amount: str
    currency: str
    placed_at: str


class BatchIn(Strict):
    """The body of POST /process-data."""

    target: str = "EUR"
    orders: Annotated[list[OrderIn], Field(min_length=1, max_length=100_000)]


class CalculationIn(Strict):
    """The body of POST /calculate."""

    values: Annotated[list[FiniteFloat], Field(min_length=1, max_length=1_000_000)]


class NotificationIn(Strict):
    """The body of POST /notifications."""

    to: Annotated[str, Field(min_length=1, max_length=100)]
    text: Annotated[str, Field(max_length=1000)]
