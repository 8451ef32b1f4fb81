"""Making the demo's requests, and telling whether the answers are as they should be."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

import pytest

from forst_asgi import Config
from forst_asgi.cli.demo import report
from forst_asgi.cli.demo.samples import SAMPLES, Sample
from forst_asgi.cli.demo.trial import ROUNDS, WARM_UPS, Expectation, Outcome, expect, try_out

Serve: TypeAlias = Callable[..., int]

SAMPLE = Sample("POST", "/a?b=c", "POST /a", b"{}", "application/json")
GO = Expectation("go", "unix")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives one answer to everything; returns its port."""
    with ExitStack() as stack:

        def start(
            by: str,
            content: bytes,
            *,
            status: int = 200,
            kind: str = "application/json",
            seen: list[str] | None = None,
        ) -> int:
            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"

                def do_POST(self) -> None:
                    self.rfile.read(int(self.headers["content-length"]))
                    if seen is not None:
                        seen.append(f"{self.command} {self.path} {self.headers['content-type']}")
                    self.send_response(status)
                    self.send_header("content-length", str(len(content)))
                    self.send_header("content-type", kind)
                    self.send_header("x-answered-by", by)
                    self.end_headers()
                    self.wfile.write(content)

                def log_message(self, *_: object) -> None: ...

            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server.server_port

        yield start


def test_equal_answers(serve: Serve) -> None:
    """Equal JSON is equal however it is spaced; each side is asked as often as the other."""
    ours: list[str] = []
    theirs: list[str] = []
    one, other = serve("go", b'{"a":1}', seen=ours), serve("python", b'{"a": 1}', seen=theirs)
    outcome = try_out(SAMPLE, GO, one, other)
    assert outcome.problems == ()
    assert outcome.answer.answered_by == "go"
    assert outcome.duration_ms > 0
    assert outcome.python_ms > 0
    assert ours == theirs == ["POST /a?b=c application/json"] * (ROUNDS + WARM_UPS)


@pytest.mark.parametrize(
    ("by", "content", "status", "kind", "problem"),
    [
        ("python", b"{}", 200, "application/json", "answered by python, expected go"),
        ("go", b"[]", 200, "application/json", "the two sides answered differently"),
        ("go", b"{}", 200, "text/plain", "the two sides answered differently"),
        ("go", b"{}", 201, "application/json", "the two sides answered differently"),
    ],
)
def test_a_problem(serve: Serve, by: str, content: bytes, status: int, kind: str, problem: str) -> None:
    """Whatever differs is a problem."""
    one = serve(by, content, status=status, kind=kind)
    assert try_out(SAMPLE, GO, one, serve("python", b"{}")).problems == (problem,)


def test_both_sides_may_fail_alike(serve: Serve) -> None:
    """A status outside 2xx is a problem even if both have it."""
    port = serve("go", b"", status=500, kind="text/plain")
    assert try_out(SAMPLE, GO, port, port).problems == ("status 500, expected 2xx",)


def test_what_is_expected_is_what_the_configuration_says() -> None:
    """Who shall answer, and over what, follows from the routes and their modes."""
    config = Config(
        sidecar={"command": ["a"]},
        upstreams={"t": {"address": "http://h:1"}},
        routes=[
            {"id": "a", "path": "/a", "mode": "on"},
            {"id": "b", "path": "/b", "mode": "on", "upstream": "t"},
            {"id": "c", "path": "/c", "mode": "off"},
        ],
    )
    expected = {path: expect(config, Sample("GET", path, "")) for path in ("/a", "/b", "/c", "/d")}
    assert expected == {
        "/a": Expectation("go", "unix"),
        "/b": Expectation("go", "tcp"),
        "/c": Expectation("python", ""),
        "/d": Expectation("python", ""),
    }


def test_the_report(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """Each sample is a row; what is wrong stands below, on standard error."""
    fine = try_out(SAMPLE, GO, serve("go", b"{}"), serve("python", b"{}"))
    odd = Outcome(SAMPLES[0], Expectation("python", ""), fine.answer, 2.0, 5.0, ("something is odd",))
    report.show([fine, odd])
    out, err = capsys.readouterr()
    assert err == f"{SAMPLES[0].label}: something is odd\n"
    rows = [line.split() for line in out.splitlines()]
    assert rows[1][:6] == ["POST", "/a", "go", "unix", "200", "equal"]
    assert rows[2][-8:] == ["-", "200", "not", "as", "expected", "2.00", "5.00", "2.5"]
    assert "median of" in out
