"""The page about migrating a route, command by command: what is printed and logged is what it says."""

import io
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from forst_asgi import Event, events
from forst_asgi.config import load
from forst_asgi.observability import log_observer
from forst_asgi.runtime.flags import Flags

PAGE = (Path(__file__).parents[2] / "docs" / "migrating-a-route.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ENVIRON = {"FORST_OVERRIDE_SECRET": "0123456789abcdef"}


def commands(block: str) -> list[list[str]]:
    """Return the arguments of each forst-asgi in a block, those within other commands included."""
    found = re.findall(r"forst-asgi ((?:[^\n\")]|\"[^\"]*\")*)", block)
    return [shlex.split(arguments) for arguments in found]


def alike(text: str) -> str:
    """Return a text without what differs from run to run: times, people, and the room that they take."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "T", text)
    text = re.sub(r"\w+@[\w.-]+", "W", text)
    return re.sub(r" +", " ", text).strip()


@pytest.fixture
def walk(invoke: Callable[..., Any], config: Callable[[str], Path]) -> Callable[[str], str]:
    """Runs a block of commands, with the configuration of the page but on; returns what they print."""
    config(next(text for kind, text in BLOCKS if kind == "toml").replace('"off"', '"on"'))

    def run(block: str) -> str:
        printed = ""
        for arguments in commands(block):
            done = invoke(*arguments, env=ENVIRON)
            assert done.exit_code == 0, done.stderr
            printed += done.stdout + (done.stderr if arguments[0] == "flag" else "")
        return printed

    return run


def test_the_commands_print_what_the_page_says(walk: Callable[[str], str]) -> None:
    """Each block of text is the output of the block of commands before it."""
    compared, printed = 0, ""
    for kind, text in BLOCKS:
        if kind == "sh":
            printed = walk(text)
        elif kind == "text":
            assert alike(printed) == alike(text)
            compared += 1
    assert compared == 3


def test_the_workers_log_what_the_page_says(walk: Callable[[str], str]) -> None:
    """After each change, the line that stands below it."""
    stream = io.StringIO()
    flags = Flags(load(), log_observer("json", stream=stream), ENVIRON)
    compared = 0
    for kind, text in BLOCKS:
        if kind == "sh":
            walk(text)
            stream.truncate(0)
            stream.seek(0)
            flags.load()
        elif kind == "json" and "forst.flag.changed" in text:
            assert alike(stream.getvalue()) == alike(text.replace("\n", ""))
            compared += 1
    assert compared == 3


def test_every_line_has_its_keys_in_the_order_of_the_log() -> None:
    """A line that somebody compares with their own looks like it."""
    kinds = {
        each.name: each
        for each in vars(events).values()
        if isinstance(each, type) and issubclass(each, Event)
    }
    lines = [
        json.loads(line)
        for kind, text in BLOCKS
        if kind == "json"
        for line in re.findall(r"^\{.*?\}$", text, re.MULTILINE | re.DOTALL)
    ]
    assert len(lines) == 9
    for line in lines:
        told = [each.name for each in fields(kinds[line["event"]])]
        request = ["request_id"] if "request_id" in line else []
        assert list(line) == [*told, "event", *request, "level", "timestamp"]
