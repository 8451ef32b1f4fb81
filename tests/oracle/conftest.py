"""Everything that takes part, started once; and each case played once for each of them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.oracle.corpus import corpus
from tests.oracle.play import Requests, Responses
from tests.oracle.sites import (
    OURS,
    Served,
    at_unix,
    forwarding,
    running_nginx,
    running_peers,
    scripted,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def everything(go_build: Callable[[Path], Path]) -> Iterator[tuple[Requests, Responses]]:
    """All who take part."""
    binary = go_build(HERE / "peers")
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="fo-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = stack.enter_context(scripted(corpus("responses")))
        journal = stack.enter_context(running_peers(binary, folder, upstream))
        has_nginx = stack.enter_context(running_nginx(folder, upstream))
        requests = {"direct": at_unix(folder / "mirror"), "ReverseProxy": at_unix(folder / "proxy")}
        responses = {"ReverseProxy": at_unix(folder / "scripted")}
        if has_nginx:  # pragma: no branch - depends on the machine
            requests["nginx"] = at_unix(folder / "nginx-requests")
            responses["nginx"] = at_unix(folder / "nginx-responses")
        for site in OURS:
            for sites, address in ((requests, f"unix:{folder}/mirror"), (responses, f"http://{upstream}")):
                sites[site] = stack.enter_context(Served(forwarding(address, site), site).running())
        yield Requests(requests, journal), Responses(responses)


@pytest.fixture(scope="session")
def requests(everything: tuple[Requests, Responses]) -> Requests:
    """Plays the corpus of requests."""
    return everything[0]


@pytest.fixture(scope="session")
def responses(everything: tuple[Requests, Responses]) -> Responses:
    """Plays the corpus of responses."""
    return everything[1]
