"""Makes each request to both servers, in turn, and compares what comes back."""

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from forst_asgi.cli.demo.ports import HOST
from forst_asgi.cli.demo.samples import Sample
from forst_asgi.cli.explanation import explain_request
from forst_asgi.cli.words import transport_of
from forst_asgi.config import Config

ROUNDS: Final = 7
WARM_UPS: Final = 2
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the configuration says about a request.

    Attributes:
        answered_by: "go" or "python".
        transport: how it gets there: "unix", "tcp" or "tls"; "" when it goes nowhere.
    """

    answered_by: str
    transport: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request, and after how long."""

    status: int
    answered_by: str
    content_type: str
    content: bytes
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one sample.

    Attributes:
        sample: the request.
        expected: what was to be expected.
        answer: the last answer through the middleware.
        duration_ms: the median through the middleware.
        python_ms: the median of the same endpoint in Python, without the middleware.
        problems: what is not as expected, in words.
    """

    sample: Sample
    expected: Expectation
    answer: Answer
    duration_ms: float
    python_ms: float
    problems: tuple[str, ...]


def expect(config: Config, sample: Sample) -> Expectation:
    """Return who shall answer a sample according to the configuration."""
    found = explain_request(config, sample.method, sample.target, [(b"host", HOST.encode())])
    if found.forwarding is None:
        return Expectation("python", "")
    return Expectation("go", transport_of(found.forwarding.upstream))


def try_out(sample: Sample, expected: Expectation, port: int, python_port: int) -> Outcome:
    """Make a request several times to both servers, one at a time, in turn.

    Args:
        sample: the request.
        expected: what the configuration says about it.
        port: of the app with the middleware.
        python_port: of the same app without it.

    Raises:
        OSError, http.client.HTTPException: a server could not be asked.
    """
    with closing(_connection(port)) as one, closing(_connection(python_port)) as other:
        pairs = [(ask(one, sample), ask(other, sample)) for _ in range(WARM_UPS + ROUNDS)]
    measured = pairs[WARM_UPS:]
    problems = dict.fromkeys(problem for pair in pairs for problem in _problems(expected, *pair))
    return Outcome(
        sample,
        expected,
        pairs[-1][0],
        statistics.median(answer.duration_ms for answer, _ in measured),
        statistics.median(answer.duration_ms for _, answer in measured),
        tuple(problems),
    )


def ask(connection: http.client.HTTPConnection, sample: Sample) -> Answer:
    """Make a request and read the whole answer."""
    begin = time.perf_counter()
    connection.request(sample.method, sample.target, sample.body or None, dict(sample.headers))
    response = connection.getresponse()
    content = response.read()
    duration_ms = (time.perf_counter() - begin) * 1000
    return Answer(
        response.status,
        response.headers.get("x-answered-by", "nobody"),
        response.headers.get("content-type", ""),
        content,
        duration_ms,
    )


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)


def _problems(expected: Expectation, answer: Answer, python: Answer) -> Iterator[str]:
    if answer.answered_by != expected.answered_by:
        yield f"answered by {answer.answered_by}, expected {expected.answered_by}"
    if not 200 <= answer.status < 300:
        yield f"status {answer.status}, expected 2xx"
    if _essence(answer) != _essence(python):
        yield "the two sides answered differently"


def _essence(answer: Answer) -> tuple[int, str, object]:
    """Return what both sides must have in common; how JSON is spaced is not part of it."""
    is_json = answer.content_type == "application/json"
    return answer.status, answer.content_type, json.loads(answer.content) if is_json else answer.content
