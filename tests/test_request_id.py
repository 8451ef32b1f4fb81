"""The id under which both sides log a request."""

import asyncio
import json
import subprocess
import sys

import pytest
import structlog

from forst_asgi.request_id import RequestId, current
from forst_asgi.types import RawHeaders, Scope


def scope(*values: bytes) -> Scope:
    """Return a scope with such x-request-id fields."""
    headers: RawHeaders = [(b"host", b"a"), *((b"x-request-id", value) for value in values)]
    return {"type": "http", "headers": headers}


@pytest.mark.parametrize("value", [b"a", b"0af7-651:9/1+c=@._", b"x" * 128])
def test_harmless_id_is_taken(value: bytes) -> None:
    """The client's id is taken when it is one, short and harmless."""
    assert RequestId.of(scope(value)).value == value


@pytest.mark.parametrize("values", [[], [b""], [b"x" * 129], [b"a\n"], [b"a b"], [b"\xc3\xa9"], [b"a", b"a"]])
def test_other_ids_are_replaced(values: list[bytes]) -> None:
    """Without a harmless id one is made."""
    made = RequestId.of(scope(*values)).value
    assert made not in values
    assert made.isascii()
    assert b"-" in made


def test_ids_are_unique() -> None:
    """No two ids that were made are alike, and each one stays the same."""
    ids = [RequestId.of(scope()) for _ in range(1000)]
    assert len({each.value for each in ids}) == 1000
    assert all(each.value == each.value for each in ids)


def test_id_is_worked_out_late() -> None:
    """What the scope says when somebody first asks is what counts; later changes do not."""
    late = scope()
    request_id = RequestId.of(late)
    late["headers"].append((b"x-request-id", b"late"))
    assert request_id.value == b"late"
    late["headers"].clear()
    assert request_id.value == b"late"


def test_made_without_a_look() -> None:
    """For a request that is known to bring none an id is made once, and not over one that is known."""
    request_id = RequestId.of(scope())
    made = request_id.make()
    assert (request_id.make(), request_id.value) == (made, made)
    known = RequestId.of(scope(b"abc"))
    assert (known.value, known.make()) == (b"abc", b"abc")


def test_looks_like_text() -> None:
    """It prints, compares and hashes as its text, and structlog writes it so."""
    request_id = RequestId.of(scope(b"abc"))
    assert (str(request_id), repr(request_id)) == ("abc", "'abc'")
    assert request_id == "abc"
    assert request_id == RequestId.of(scope(b"abc"))
    assert request_id != "abd"
    assert request_id != 7
    assert {request_id: 1}["abc"] == 1  # type: ignore[index]
    line = structlog.processors.JSONRenderer()(None, "info", {"request_id": request_id})
    assert json.loads(line) == {"request_id": "abc"}


def test_structlog_finds_it() -> None:
    """An app that merges structlog's context variables has `request_id` in its own lines."""

    async def main() -> None:
        current.set(RequestId.of(scope(b"abc")))
        merged = structlog.contextvars.merge_contextvars(None, "info", {"event": "x"})
        assert merged == {"event": "x", "request_id": "abc"}

    asyncio.run(main())


FORKING = """
import os
from forst_asgi.request_id import RequestId
scope = {"type": "http", "headers": []}
RequestId.of(scope).make()
child = os.fork()
if child:
    os.waitpid(child, 0)
os.write(1, RequestId.of(scope).value + b" ")
"""


def test_forked_workers_make_ids_of_their_own() -> None:
    """A worker that was forked does not hand out the ids of the process that it was forked from."""
    ran = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True)
    theirs, ours = ran.stdout.split()
    assert theirs.partition(b"-")[0] != ours.partition(b"-")[0]
