"""What a user can say about reading the configuration again while it is in force."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

from pydantic import Field, Strict

from forst_asgi.config.fields import Text
from forst_asgi.config.table import Table


class ReloadInput(TypedDict, total=False):
    """What ReloadConfig takes when it is built in Python."""

    watch: bool
    allow: Sequence[str]


class ReloadConfig(Table):
    """Reading this file again while the server runs; see `forst-asgi reload`."""

    watch: Annotated[bool, Strict()] = Field(
        False,  # noqa: FBT003 - a default, not an argument whose meaning is lost
        description="Whether a saved file is taken in by itself, by each worker, within a second or two. "
        "`false`: only at `forst-asgi reload` or SIGHUP, so that a file that is rolled out before the code "
        "that it belongs to changes nothing yet.",
    )
    allow: tuple[Text, ...] = Field(
        (),
        description="The ids of routes that a reload may leave without the `auth` callable that they had, or "
        "let take more requests than before; for where `forst-asgi reload --allow` cannot be run. Take them "
        "out again afterwards.",
        examples=[["calculate"]],
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[ReloadInput]) -> None: ...
