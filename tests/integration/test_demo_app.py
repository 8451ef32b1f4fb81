"""The demo app as a person runs it: uvicorn in front, the Go sidecar on a private socket and on TCP."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.integration.conftest import Process, ServeCommand

DEMO = Path(__file__).parents[2] / "demo_app"
MIB = 1024 * 1024
LARGE = 64 * MIB
ALLOWED_GROWTH = 32 * MIB

ORDER = {
    "id": "o-1",
    "customer": " ada  LOVELACE",
    "email": "Ada@Example.org",
    "amount": "12.345",
    "currency": "gbp",
    "placed_at": "2024-02-29T23:59:59+01:30",
}

MOVED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/process-data", {"json": {"target": "EUR", "orders": [ORDER]}}),
    ("POST", "/process-data", {"json": {"orders": "none"}}),
    ("GET", "/search?q=golden+riv&limit=3", {}),
    ("GET", "/search", {}),
    ("POST", "/calculate", {"json": {"values": [1, 1e100, 1, -1e100]}}),
    ("POST", "/calculate", {"content": b"not json", "headers": {"content-type": "application/json"}}),
    ("GET", "/events?n=3&interval_ms=0", {}),
    ("POST", "/upload", {"files": {"file": ("a.txt", b"hello " * 1000, "text/plain")}}),
    ("POST", "/upload", {"content": b"x", "headers": {"content-type": "application/octet-stream"}}),
    ("GET", "/download?size=100000", {}),
]

STAYED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/health", {}),
    ("GET", "/quotes/2", {}),
    ("GET", "/quotes/9", {}),
    ("GET", "/admin/report", {}),
    ("POST", "/search", {}),
    ("GET", "/calculate", {}),
    ("GET", "/calculate/", {}),
    ("GET", "/missing", {}),
    ("OPTIONS", "/search", {}),
]


@pytest.fixture(scope="module")
def python(serve_command: "ServeCommand") -> Iterator[httpx.Client]:
    """The service as it was before, in Python only."""
    with serve_command("uvicorn", "demo_app.api:app", "--port", "{port}") as process:
        yield from client_of(process)


@pytest.fixture(scope="module")
def process(
    serve_command: "ServeCommand",
    sidecar_binary: Path,
    tmp_path_factory: pytest.TempPathFactory,
    free_tcp_port: int,
) -> Iterator["Process"]:
    """The service with its moved endpoints in Go, with the configuration of the demo."""
    config = tmp_path_factory.mktemp("demo") / "forst.toml"
    text = (DEMO / "forst.toml").read_text().replace(":9137", f":{free_tcp_port}")
    config.write_text(text.replace('"./sidecar/bin/demo-sidecar"', json.dumps(str(sidecar_binary))))
    command = ("uvicorn", "demo:app", "--port", "{port}")
    with serve_command(*command, FORST_TEST_CONFIG=str(config)) as made:
        yield made
        assert made.end() in {0, -15}
        assert len(made.events("forst.sidecar.stopped")) == 2


@pytest.fixture(scope="module")
def client(process: "Process") -> Iterator[httpx.Client]:
    """A client of the whole."""
    yield from client_of(process)


def client_of(process: "Process") -> Iterator[httpx.Client]:
    """Yield a client of a server."""
    with httpx.Client(base_url=process.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "options"), MOVED)
def test_moved_endpoints_are_answered_by_go_as_python_did(
    client: httpx.Client, python: httpx.Client, method: str, path: str, options: dict[str, Any]
) -> None:
    """Each moved endpoint is answered by Go, with the status, type and content of its Python twin."""
    theirs, ours = client.request(method, path, **options), python.request(method, path, **options)
    assert (theirs.headers["x-answered-by"], ours.headers["x-answered-by"]) == ("go", "python")
    assert theirs.status_code == ours.status_code
    assert theirs.headers["content-type"] == ours.headers["content-type"]
    if ours.headers["content-type"] != "application/json":
        assert theirs.content == ours.content
    elif b"json_invalid" not in ours.content:  # each parser has its own words for that
        assert theirs.json() == ours.json()


@pytest.mark.parametrize(("method", "path", "options"), STAYED)
def test_other_endpoints_are_answered_by_python(
    client: httpx.Client, python: httpx.Client, method: str, path: str, options: dict[str, Any]
) -> None:
    """What forst.toml does not list is answered by Python, as ever."""
    with_it, without = client.request(method, path, **options), python.request(method, path, **options)
    assert (with_it.headers["x-answered-by"], without.headers["x-answered-by"]) == ("python", "python")
    assert (with_it.status_code, with_it.content) == (without.status_code, without.content)


def resident(pid: int) -> int:
    """Return the largest resident set that a process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def blocks(total: int) -> Iterator[bytes]:
    """Yield that many bytes."""
    block = bytes(range(256)) * 256
    for _ in range(total // len(block)):
        yield block


@pytest.mark.item(20, 32)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("sized", [True, False], ids=["with a length", "chunked"])
def test_large_uploads_and_downloads_pass_with_flat_memory(
    client: httpx.Client,
    process: "Process",
    sized: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """64 MiB up and 64 MiB down leave the server's peak memory where it was, give or take 32 MiB."""
    client.get("/download?size=1000000")
    before = resident(process.popen.pid)
    headers = {"content-type": "application/octet-stream"}
    if sized:
        headers["content-length"] = str(LARGE)
    answer = client.post("/upload", content=blocks(LARGE), headers=headers).json()
    digest = hashlib.sha256()
    for block in blocks(LARGE):
        digest.update(block)
    assert (answer["size"], answer["sha256"]) == (LARGE, digest.hexdigest())
    with client.stream("GET", f"/download?size={LARGE}") as download:
        assert sum(map(len, download.iter_bytes())) == LARGE
    assert resident(process.popen.pid) - before < ALLOWED_GROWTH
