"""What a user can say about a TLS connection to an upstream."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack

from pydantic import Field, Strict

from forst_asgi.config.fields import FilePath, Text
from forst_asgi.config.findings import Finding, wrong
from forst_asgi.config.table import Table


class TlsInput(TypedDict, total=False):
    """What TlsConfig takes when it is built in Python."""

    ca: str | os.PathLike[str] | None
    cert: str | os.PathLike[str] | None
    key: str | os.PathLike[str] | None
    server_name: str | None
    verify: bool


class TlsConfig(Table):
    """How a TLS connection to the upstream is made; only with an `https` address."""

    ca: FilePath | None = Field(
        None,
        description="PEM file of the authorities that may have signed the upstream's certificate. "
        "Left out: the system's.",
        examples=["ca.pem"],
    )
    cert: FilePath | None = Field(
        None,
        description="PEM file of the certificate to show to the upstream (mutual TLS).",
        examples=["client.pem"],
    )
    key: FilePath | None = Field(
        None,
        description="PEM file of the certificate's private key. Left out: it is in the file of `cert`.",
        examples=["client-key.pem"],
    )
    server_name: Text | None = Field(
        None,
        min_length=1,
        description="The name that the upstream's certificate must have, also sent as SNI. "
        "Left out: the host of the address.",
        examples=["quotes.internal"],
    )
    verify: Annotated[bool, Strict()] = Field(
        True,  # noqa: FBT003 - a default, not an argument whose meaning is lost
        description="Whether the upstream's certificate is checked. Turn it off for experiments only.",
    )

    if TYPE_CHECKING:

        def __init__(self, /, **data: Unpack[TlsInput]) -> None: ...

    @classmethod
    def _across(cls, data: Mapping[str, Any]) -> Iterable[Finding]:
        if "key" in data and "cert" not in data:
            yield Finding(("key",), wrong('"key" needs a "cert"'), data["key"])
