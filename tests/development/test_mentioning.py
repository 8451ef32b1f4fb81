"""What clients get while the program in the source is not the one that answers."""

import asyncio
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from forst_asgi.development import Mentioning, Trouble, trouble_of
from forst_asgi.supervisor import Standing, State
from forst_asgi.types import Message, Receive, Scope, Send

EVIL = 'sidecar "go": failed:\n./main.go:3:5: undefined: <script>alert(1)</script> {x} & "quoted" ü'
HTML = (b"accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
JSON = (b"accept", b"application/json")


async def good(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as the last good program does."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-answered-by", b"go")]})
    await send({"type": "http.response.body", "body": b"42"})


def ask(
    trouble: Trouble | None, *fields: tuple[bytes, bytes], method: str = "GET", kind: str = "http"
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, fields and body of the answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": kind, "method": method, "headers": list(fields)}
    asyncio.run(Mentioning(good, lambda: trouble)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def trouble(*, is_served: bool, text: str = EVIL) -> Trouble:
    """Return what is wrong after a failed build."""
    found = trouble_of("go", Standing(State.READY if is_served else State.FAILED, build_problem=text))
    assert found is not None
    return found


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_no_trouble_no_trace() -> None:
    """As long as all is well the answer is the program's, as it is."""
    assert ask(None, HTML) == (200, {b"x-answered-by": b"go"}, b"42")


def shake_hands(
    trouble: Trouble | None, *, first: str = "websocket.connect", denies: bool = True
) -> list[Message]:
    """Return what is answered to a browser's handshake."""
    sent: list[Message] = []

    async def accepting(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "headers": [(b"x-answered-by", b"go")]})

    async def receive() -> Message:
        return {"type": first}

    async def send(message: Message) -> None:
        sent.append(message)

    extensions: dict[str, Any] = {"websocket.http.response": {}} if denies else {}
    scope: dict[str, Any] = {"type": "websocket", "headers": [HTML], "extensions": extensions}
    asyncio.run(Mentioning(accepting, lambda: trouble)(scope, receive, send))
    return sent


def test_a_websocket_gets_the_problem_document() -> None:
    """Without a program its handshake is refused, with the mistake where the server can give an answer."""
    start, body = shake_hands(trouble(is_served=False))
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert dict(start["headers"])[b"x-forst-trouble"].startswith(b"./main.go:3:5")
    assert json.loads(body["body"])["problems"][0]["line"] == 3
    [closed] = shake_hands(trouble(is_served=False), denies=False)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
    assert shake_hands(trouble(is_served=False), first="websocket.disconnect") == []


def test_a_websocket_of_the_last_good_program_goes_on() -> None:
    """While one runs it is accepted, and a field of the handshake says what is wrong."""
    [accepted] = shake_hands(trouble(is_served=True))
    assert accepted["type"] == "websocket.accept"
    assert [name for name, _ in accepted["headers"]] == [b"x-answered-by", b"x-forst-trouble"]
    assert shake_hands(None) == [{"type": "websocket.accept", "headers": [(b"x-answered-by", b"go")]}]


def test_what_is_neither_is_none_of_its_business() -> None:
    """Only requests and WebSockets get pages and fields."""
    assert ask(trouble(is_served=False), kind="lifespan")[2] == b"42"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_browser_gets_a_page(method: str) -> None:
    """Without a program, who takes HTML gets the mistake with file and line; whatever was written is text."""
    status, fields, body = ask(trouble(is_served=False), HTML, method=method)
    page = Tags(body)
    assert (status, fields[b"content-type"]) == (503, b"text/html; charset=utf-8")
    assert (fields[b"cache-control"], fields[b"content-length"]) == (b"no-store", b"%d" % len(body))
    assert b"default-src 'none'" in fields[b"content-security-policy"]
    assert "script" not in page.tags
    assert "./main.go:3:5" in page.text
    assert EVIL in page.text
    assert (b'http-equiv="refresh"' in body) is (method == "GET")


@pytest.mark.parametrize("accept", [JSON, (b"accept", b"*/*")])
def test_other_clients_get_a_problem_document(accept: tuple[bytes, bytes]) -> None:
    """Without a program, everybody else gets the compiler's lines as JSON."""
    status, fields, body = ask(trouble(is_served=False), accept, method="POST")
    document = json.loads(body)
    assert (status, fields[b"content-type"]) == (503, b"application/problem+json")
    assert (document["status"], document["upstream"]) == (503, "go")
    [problem] = document["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("./main.go", 3, 5)
    assert document["output"] == EVIL.splitlines()


@pytest.mark.parametrize("fields", [(JSON,), (), ((b"sec-fetch-dest", b"empty"), HTML)])
def test_the_last_good_program_goes_on(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """While one runs it answers, and a field says what is wrong; visible ASCII only, whatever was written."""
    status, got, body = ask(trouble(is_served=True), *fields)
    assert (status, body, got[b"x-answered-by"]) == (200, b"42", b"go")
    assert got[b"x-forst-trouble"].startswith(b"./main.go:3:5: undefined: <script>")
    assert re.fullmatch(rb"[ -~]+", got[b"x-forst-trouble"])


@pytest.mark.parametrize("fields", [(HTML,), ((b"sec-fetch-dest", b"document"), HTML)])
def test_who_looks_at_a_browser_sees_the_mistake(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """What a browser would show as a page of its own is the mistake, also while the last good one runs."""
    status, _, body = ask(trouble(is_served=True), *fields)
    assert (status, "last good program still runs" in Tags(body).text) == (503, True)


def test_a_form_is_still_taken() -> None:
    """A POST, of which something may come, is never answered by the page while somebody can answer it."""
    assert ask(trouble(is_served=True), HTML, method="POST")[0] == 200


def test_a_field_is_bounded() -> None:
    """A compiler that writes a lot, or line ends of its own, breaks no field."""
    field = ask(trouble(is_served=True, text="x\r\x00" + "y" * 9000))[1][b"x-forst-trouble"]
    assert len(field) <= 300
    assert b"\r" not in field


def test_its_repr_names_what_answers() -> None:
    """The repr shows what is inside."""
    assert "good" in repr(Mentioning(good, lambda: None))
