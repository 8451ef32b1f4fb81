"""Raw requests: straight to Go, through Go's ReverseProxy, through nginx, and through ours."""

from typing import TYPE_CHECKING

import pytest

from tests.oracle.allowed import allow_list
from tests.oracle.cases import each_case
from tests.oracle.compare import between_requests
from tests.oracle.corpus import Case, corpus
from tests.oracle.sites import OURS

if TYPE_CHECKING:
    from tests.oracle.play import Requests

CASES = corpus("requests")


def differences(requests: "Requests", case: Case, site: str) -> list[str]:
    """Return how ours differs from the direct way, and from what others refuse."""
    ours = requests.outcome(case, site)
    found = between_requests(requests.outcome(case, "direct"), ours)
    for peer in {"ReverseProxy", "nginx"} & requests.sites.keys() - {case.options.get("without")}:
        if len(requests.outcome(case, peer).seen) < len(ours.seen):
            found.append(f"looser than {peer}")
    return found


@pytest.mark.parametrize(("case", "site"), each_case(CASES, OURS))
def test_go_receives_what_was_sent(requests: "Requests", case: Case, site: str) -> None:
    """Go receives, and the client gets, the same as without us, but for what the allow-list has."""
    found = differences(requests, case, site)
    assert allow_list("requests").unexplained(case.name, site, found) == []


def test_every_allowed_difference_occurs(requests: "Requests") -> None:
    """No entry, expression or case of the allow-list has outlived its reason."""
    allowed = allow_list("requests")
    for case in CASES.values():
        for site in OURS:
            if not case.fails_at(site):
                allowed.unexplained(case.name, site, differences(requests, case, site))
    has_nginx = "nginx" in requests.sites
    assert [part for part in allowed.stale() if has_nginx or "nginx" not in "".join(part)] == []


def test_the_body_behind_an_upgrade_is_no_request(requests: "Requests") -> None:
    """What comes behind a request that was refused for its lost body is not forwarded as another request."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
    head = b"POST /one HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(smuggled)
    case = Case("upgrade-then-body", (18,), "the body comes once the head was answered", {}, (head, smuggled))
    assert requests.outcome(case, "httptools").seen == ()
