"""The types of an upstream's keys: plain Python types with the checks that turn text into them."""

import os
import shlex
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationInfo

from forst_asgi.config import names
from forst_asgi.config.address import socket_path
from forst_asgi.config.findings import wrong
from forst_asgi.config.origin import resolved
from forst_asgi.config.shape import Shape
from forst_asgi.config.template import plain_target

Text = Annotated[str, Strict()]


def _as_text(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _file(value: object, info: ValidationInfo) -> object:
    text = _as_text(value)
    if not isinstance(text, str):
        raise wrong(expected="a path in quotes")
    return Path(resolved(text, info))


def _socket(value: str, info: ValidationInfo) -> str:
    return value if value == "auto" else socket_path(value, info)


def _build(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise wrong(f"cannot be read as a command: {str(error).lower()}") from error
    if not any("{out}" in word for word in words[1:]):
        raise wrong("does not say where to write the program", expected='"{out}" in it, as in "-o {out}"')
    return value


def _command(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if not value[0] or any("\0" in part for part in value):
        raise wrong(expected='a program and its arguments such as ["./bin/sidecar", "-v"]')
    program = resolved(value[0], info) if "/" in value[0] else value[0]
    return (program, *value[1:])


FilePath = Annotated[Path, BeforeValidator(_file), Shape({"type": "string", "minLength": 1})]
Socket = Annotated[str, Strict(), BeforeValidator(_as_text), AfterValidator(_socket)]
Argument = Annotated[str, Strict(), BeforeValidator(_as_text)]
Command = Annotated[tuple[Argument, ...], Field(min_length=1), AfterValidator(_command)]
Build = Annotated[str, Strict(), AfterValidator(_build)]
Count = Annotated[int, Strict()]
HostPolicy = Annotated[str, Strict(), AfterValidator(names.host_policy)]
Target = Annotated[str, Strict(), AfterValidator(plain_target)]
EnvName = Annotated[
    str,
    Strict(),
    AfterValidator(names.env_name),
    Shape({"type": "string", "pattern": names.ENV_PATTERN}),
]
EnvValue = Annotated[str, Strict(), AfterValidator(names.env_value)]
