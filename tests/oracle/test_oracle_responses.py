"""Raw responses of a scripted upstream: through Go's ReverseProxy, through nginx, and through ours."""

from typing import TYPE_CHECKING

import pytest

from tests.oracle.allowed import allow_list
from tests.oracle.cases import each_case
from tests.oracle.compare import between_responses, delivered
from tests.oracle.corpus import Case, corpus
from tests.oracle.sites import OURS

if TYPE_CHECKING:
    from tests.oracle.play import Responses

CASES = corpus("responses")
CUT = {name: case for name, case in CASES.items() if case.is_cut}
EVIL = {name: case for name, case in CASES.items() if b"evil" in b"".join(case.pieces)}


def differences(responses: "Responses", case: Case, site: str) -> list[str]:
    """Return how ours differs from Go's ReverseProxy, and from what nginx refuses."""
    ours = responses.outcome(case, site)
    found = between_responses(responses.outcome(case, "ReverseProxy"), ours)
    has_nginx = "nginx" in responses.sites and case.options.get("without") != "nginx"
    if has_nginx and delivered(ours) and not delivered(responses.outcome(case, "nginx")):
        found.append("looser than nginx")
    is_old = case.options.get("version") == "1.0"
    if is_old and any(answer.values(b"transfer-encoding") for answer in ours.exchange.answers):
        found.append("chunked for HTTP/1.0")
    return found


@pytest.mark.parametrize(("case", "site"), each_case(CASES, OURS))
def test_the_client_gets_what_was_sent(responses: "Responses", case: Case, site: str) -> None:
    """The client gets the same as through Go's ReverseProxy, but for what the allow-list has."""
    found = differences(responses, case, site)
    assert allow_list("responses").unexplained(case.name, site, found) == []


@pytest.mark.parametrize(("case", "site"), each_case(CUT, OURS))
def test_what_is_cut_is_never_delivered_as_whole(responses: "Responses", case: Case, site: str) -> None:
    """A torn response is a visible failure: a 502, or an answer that breaks off. No list can allow else."""
    assert not delivered(responses.outcome(case, site))


@pytest.mark.parametrize(("case", "site"), each_case(EVIL, OURS))
def test_no_answer_is_anothers(responses: "Responses", case: Case, site: str) -> None:
    """Nothing that the upstream sent beyond its message reaches a client, on this connection or the next."""
    assert all(b"evil" not in answer.body for answer in responses.outcome(case, site).exchange.answers)
    assert responses.sentinel(site).is_kept


def test_every_allowed_difference_occurs(responses: "Responses") -> None:
    """No entry, expression or case of the allow-list has outlived its reason."""
    allowed = allow_list("responses")
    for case in CASES.values():
        for site in OURS:
            if not case.fails_at(site):
                allowed.unexplained(case.name, site, differences(responses, case, site))
    has_nginx = "nginx" in responses.sites
    assert [part for part in allowed.stale() if has_nginx or "nginx" not in "".join(part)] == []
