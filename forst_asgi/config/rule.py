"""What a user can say about groups of requests: rules, and the conditions that they are made of."""

import importlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Required, TypeAlias, TypedDict, TypeVar, Unpack

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from forst_asgi.config import names
from forst_asgi.config.findings import Finding, either, wrong
from forst_asgi.config.shape import Shape
from forst_asgi.config.share import Mode, ModeField, Percent, RuleKey
from forst_asgi.config.table import Table

LONGEST_PATTERN: Final = 512

_RANGE: Final = re.compile(
    r"\s*(?:>=|<=|>|<|==?)?\s*v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,2}"
    r"(?:-[0-9A-Za-z.-]{1,64})?(?:\+[0-9A-Za-z.-]{1,64})?\s*"
)
_MOST: Final = 1e300
_LEAST: Final = -_MOST
_OF_WIRE: Final = frozenset({"header", "cookie", "query", "client"})
"""Where everything is text."""

T = TypeVar("T")

Scalar: TypeAlias = str | bool | int | float


def _scalar(value: object) -> object:
    if not isinstance(value, str | bool | int | float):
        raise wrong(expected="text, a number, or true or false")
    if isinstance(value, float) and math.isnan(value):
        raise wrong("equals nothing, not even itself", expected="text, a number, or true or false")
    return value


def _part(value: object) -> object:
    if value == "":
        raise wrong("holds for everything", expected="some text")
    return _scalar(value)


def _scalars(value: object) -> object:
    if not isinstance(value, list | tuple) or not value:
        raise wrong(expected='a list such as ["a", "b"]')
    return tuple(map(_scalar, value))


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(expected="a number")
    if not _LEAST < value < _MOST:
        raise wrong(expected="a number that others can be smaller and larger than")
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise wrong("holds for everything", expected="some text")
    return value


def engine(library: str = "re2") -> Any:
    """Return the module that knows patterns, which is an extra.

    Raises:
        PydanticCustomError: it is not installed.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise wrong("patterns need google-re2; install it with: pip install 'forst-asgi[regex]'") from error


def _pattern(value: str) -> str:
    if len(value) > LONGEST_PATTERN:
        raise wrong(f"is longer than {LONGEST_PATTERN} characters", shows_value=False)
    re2 = engine()
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(value.encode("utf-8", "replace"), options)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise wrong(f"is no pattern of RE2: {reason}") from error
    return value


def _range(value: str) -> str:
    if not all(_RANGE.fullmatch(each) for each in value.split(",")):
        raise wrong(expected='versions with signs such as ">=2.1.0" or ">=2.1.0, <3.0.0"')
    return value


def _some(value: tuple[T, ...]) -> tuple[T, ...]:
    # pydantic's own check counts only what is right, and so finds many lists empty.
    if not value:
        raise wrong("must not be empty")
    return value


_SCALAR_SCHEMA: Final = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}
_NUMBER_SCHEMA: Final = {"type": "number"}

Fragment = Annotated[str, Strict(), AfterValidator(_not_empty), Shape({"type": "string", "minLength": 1})]
Number = Annotated[float, BeforeValidator(_number), Shape(_NUMBER_SCHEMA)]
Literally = Annotated[Any, BeforeValidator(_scalar), Shape(_SCALAR_SCHEMA)]
Part = Annotated[Any, BeforeValidator(_part), Shape(_SCALAR_SCHEMA)]
Members = Annotated[
    Any, BeforeValidator(_scalars), Shape({"type": "array", "items": _SCALAR_SCHEMA, "minItems": 1})
]
Pattern = Annotated[
    str, Strict(), AfterValidator(_pattern), Shape({"type": "string", "maxLength": LONGEST_PATTERN})
]
Range = Annotated[str, Strict(), AfterValidator(_range)]
Network = Annotated[str, Strict(), AfterValidator(names.network)]
Networks = Annotated[tuple[Network, ...], AfterValidator(_some)]
RuleName = Annotated[
    str, Strict(), AfterValidator(names.identifier), Shape({"type": "string", "pattern": names.ID_PATTERN})
]

ConditionInput = TypedDict(
    "ConditionInput",
    {
        "key": Required[str],
        "equals": Scalar,
        "in": Sequence[Scalar],
        "in_": Sequence[Scalar],
        "prefix": str,
        "suffix": str,
        "contains": Scalar,
        "regex": str,
        "semver": str,
        "below": float,
        "at_most": float,
        "above": float,
        "at_least": float,
        "exists": bool,
        "network": Sequence[str],
    },
    total=False,
)
"""What ConditionConfig takes when it is built in Python."""


class RuleInput(TypedDict, total=False):
    """What RuleConfig takes when it is built in Python."""

    name: Required[str]
    when: "Required[Sequence[ConditionConfig | ConditionInput]]"
    mode: Required[Mode]
    percent: float | None


class ConditionConfig(Table):
    """One thing that a rule asks of a request: a key, and exactly one operator."""

    key: RuleKey = Field(
        description="What is looked at: `header:NAME`, `cookie:NAME`, `query:NAME`, `path:NAME`, `client` "
        "(its address), or `context:NAME` (what `flags.context` returned).",
        examples=["header:x-team", "client", "context:plan"],
    )
    equals: Literally | None = Field(
        None, description="It is exactly this, of the same type.", examples=["beta"]
    )
    in_: Members | None = Field(
        None, alias="in", description="It is one of these, of the same type.", examples=[["a", "b"]]
    )
    prefix: Fragment | None = Field(None, description="It is text that begins so.", examples=["test-"])
    suffix: Fragment | None = Field(None, description="It is text that ends so.", examples=["@example.com"])
    contains: Part | None = Field(
        None,
        description="It is text with this in it, or a list of the context with this element.",
        examples=["bot"],
    )
    regex: Pattern | None = Field(
        None,
        description="It is text of which the whole matches this pattern of RE2, in at most 1024 characters. "
        "Needs the extra `forst-asgi[regex]`.",
        examples=["[0-9]+"],
    )
    semver: Range | None = Field(
        None,
        description="It is a version within this range (Semantic Versioning 2.0.0).",
        examples=[">=2.1.0, <3"],
    )
    below: Number | None = Field(None, description="It is a number smaller than this.", examples=[100])
    at_most: Number | None = Field(None, description="It is a number not larger than this.", examples=[100])
    above: Number | None = Field(None, description="It is a number larger than this.", examples=[100])
    at_least: Number | None = Field(None, description="It is a number not smaller than this.", examples=[100])
    exists: Annotated[bool, Strict()] | None = Field(None, description="Whether it is there at all.")
    network: Networks | None = Field(
        None,
        description="It is an address in one of these networks.",
        examples=[["10.0.0.0/8"]],
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[ConditionInput]) -> None: ...

    @property
    def operator(self) -> tuple[str, Any]:
        """The name of the operator, as the file has it, and what stands there."""
        said = self.model_dump(by_alias=True, exclude={"key"}, exclude_none=True)
        return next(iter(said.items()))

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        operators = [field.alias or name for name, field in cls.model_fields.items() if name != "key"]
        used = [name for name in data if name in operators or name == "in_"]
        if len(used) != 1:
            problem = "has several operators" if used else "has no operator"
            yield Finding(
                (), wrong(problem, expected=f"exactly one of {either(operators)}", shows_value=False)
            )
        yield from _not_text(data)


def _not_text(data: Mapping[str, Any]) -> Iterable[Finding]:
    """Yield operands that no text equals, where the value is always text."""
    key = data.get("key")
    if not isinstance(key, str) or key.partition(":")[0] not in _OF_WIRE:
        return
    for name in ("equals", "contains", "in", "in_"):
        operand = data.get(name)
        for value in operand if isinstance(operand, list | tuple) else (operand,):
            if isinstance(value, bool | int | float):
                shown = str(value).lower() if isinstance(value, bool) else str(value)
                problem = f"is compared with text, since {key.partition(':')[0]} values are text"
                yield Finding((name,), wrong(problem, suggestion=shown), operand)
                break


Conditions = Annotated[tuple[ConditionConfig, ...], AfterValidator(_some)]


class RuleConfig(Table):
    """Requests that are treated apart from the route's mode. The first rule that holds decides."""

    name: RuleName = Field(description="The rule's name in logs and in `explain`.", examples=["staff"])
    when: Conditions = Field(
        json_schema_extra={"minItems": 1},
        description="The conditions, all of which have to hold.",
    )
    mode: ModeField = Field(description="What then becomes of the request, whatever the route's mode is.")
    percent: Percent | None = Field(
        None, description="The share of these requests in mode `canary`.", examples=[50]
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[RuleInput]) -> None: ...
