"""What a user can say about flags as a whole: where their state is kept, and who else has a say."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack

from pydantic import AfterValidator, Field, Strict

from forst_asgi.config import names
from forst_asgi.config.fields import EnvName, FilePath, Text
from forst_asgi.config.findings import Finding, wrong
from forst_asgi.config.rule import Network
from forst_asgi.config.shape import Shape
from forst_asgi.config.share import StickKey
from forst_asgi.config.table import Table
from forst_asgi.config.units import Duration

CallableName = Annotated[
    str,
    Strict(),
    AfterValidator(names.callable_name),
    Shape({"type": "string", "pattern": names.CALLABLE_PATTERN}),
]


class OverrideInput(TypedDict, total=False):
    """What OverrideConfig takes when it is built in Python."""

    secret_env: str | None
    secret_file: str | os.PathLike[str] | None
    unsigned_from: Sequence[str]


class OpenFeatureInput(TypedDict, total=False):
    """What OpenFeatureConfig takes when it is built in Python."""

    domain: str | None
    is_remote: bool
    timeout: str | timedelta
    attributes: Sequence[str]


class FlagsInput(TypedDict, total=False):
    """What FlagsConfig takes when it is built in Python."""

    state: str | os.PathLike[str]
    context: str | None
    show_decision_to: Sequence[str]
    override: "OverrideConfig | OverrideInput | None"
    openfeature: "OpenFeatureConfig | OpenFeatureInput | None"


class OverrideConfig(Table):
    """Whose header `x-forst-route` counts. Without this table nobody's does."""

    secret_env: EnvName | None = Field(
        None,
        description="The environment variable that holds the secret, of at least 16 characters, with which "
        "`forst-asgi override` signs.",
        examples=["FORST_OVERRIDE_SECRET"],
    )
    secret_file: FilePath | None = Field(
        None,
        description="A file with the secret instead. Of several lines each is valid, the first one signs.",
        examples=["/run/secrets/forst-override"],
    )
    unsigned_from: tuple[Network, ...] = Field(
        (),
        description="Peers that need no signature: `x-forst-route: sidecar` is enough. For development "
        "only: behind a proxy that is in the list, each of its clients is such a peer, unless the proxy says "
        "whom it forwards.",
        examples=[["127.0.0.1/32"]],
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[OverrideInput]) -> None: ...

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        if not any(data.get(key) for key in cls.model_fields):
            expected = '"secret_env", "secret_file" or "unsigned_from"'
            yield Finding((), wrong(expected=expected, shows_value=False))
        if data.get("secret_env") and data.get("secret_file"):
            yield Finding(("secret_file",), wrong('"secret_file" and "secret_env" exclude each other'))


class OpenFeatureConfig(Table):
    """Asks the flag system that the app has set up with the OpenFeature SDK. Without this table nobody does.

    Its flag `forst.<route id>` can lower a route below its mode, never raise it.
    """

    domain: Text | None = Field(
        None,
        min_length=1,
        description="The domain under which the app has set the provider. Left out: the default provider.",
        examples=["forst"],
    )
    is_remote: Annotated[bool, Strict()] = Field(
        False,  # noqa: FBT003 - a default, not an argument whose meaning is lost
        alias="remote",
        description="Whether the provider asks over the network for each evaluation; it then gets a thread "
        "and a time limit.",
    )
    timeout: Duration = Field(
        "5ms",
        validate_default=True,
        description="How long a request waits for a remote provider, before what it last said for this user "
        "counts or else the route's mode.",
    )
    attributes: tuple[StickKey, ...] = Field(
        (),
        description="What else of the request the flag system gets to see, each under its name.",
        examples=[["header:x-plan", "client"]],
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[OpenFeatureInput]) -> None: ...


class FlagsConfig(Table):
    """What concerns the flags of all routes."""

    state: FilePath = Field(
        ".forst/flags.json",
        validate_default=True,
        description="The file that `forst-asgi flag set` and `forst-asgi kill` write, and that all "
        "workers on the host watch. Its folder is made when it is first written.",
        examples=["/var/lib/shop/flags.json"],
    )
    context: CallableName | None = Field(
        None,
        description="A plain function of yours, `package.module:callable`, that rules ask with `context:`. "
        "It gets Starlette's `HTTPConnection` and returns a mapping. It is called in the event loop and must "
        "not wait.",
        examples=["shop.flags:context"],
    )
    show_decision_to: tuple[Network, ...] = Field(
        (),
        description="Peers that get to see the decision, in the response header `x-forst-decision`.",
        examples=[["10.0.0.0/8"]],
    )
    override: OverrideConfig | None = Field(None, description="Whose header `x-forst-route` counts.")
    openfeature: OpenFeatureConfig | None = Field(
        None, description="Asks the app's flag system. Needs the extra `forst-asgi[openfeature]`."
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[FlagsInput]) -> None: ...
