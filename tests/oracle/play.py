"""Playing a case at a site, each once: what the client got, and what Go received."""

from dataclasses import dataclass

from tests.oracle.corpus import Case
from tests.oracle.sites import Journal, Seen, Sites
from tests.oracle.wire import Exchange, talk


@dataclass(frozen=True)
class Outcome:
    """What a case came to at one site.

    Attributes:
        exchange: what the client got.
        seen: the requests that Go received whole, without the sentinel.
    """

    exchange: Exchange
    seen: tuple[Seen, ...] = ()


class Requests:
    """Plays requests.

    Args:
        sites: where, by name.
        journal: what the mirror behind all of them received.
    """

    def __init__(self, sites: Sites, journal: Journal) -> None:
        self.sites = sites
        self._journal = journal
        self._known: dict[tuple[str, str], Outcome] = {}

    def outcome(self, case: Case, site: str) -> Outcome:
        """Return what the case comes to there."""
        known = self._known.get((case.name, site))
        if known is None:
            known = self._known[case.name, site] = self._play(case, site)
        return known

    def _play(self, case: Case, site: str) -> Outcome:
        follow = case.options.get("follow", "answered")
        exchange = talk(self.sites[site].connect, case.pieces, case.methods, follow)
        self.sites[site].settle()
        seen = [request for request in self._journal.take() if request.whole]
        return Outcome(exchange, tuple(request for request in seen if request.target != "/sentinel"))


class Responses:
    """Plays responses.

    Args:
        sites: where, by name; the scripted upstream is behind all of them.
    """

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self._known: dict[tuple[str, str], Outcome] = {}

    def outcome(self, case: Case, site: str) -> Outcome:
        """Return what the case comes to there."""
        known = self._known.get((case.name, site))
        if known is None:
            method = case.options.get("method", "GET")
            version = case.options.get("version", "1.1")
            request = f"{method} /{case.name} HTTP/{version}\r\nHost: a.example\r\n"
            request += "Content-Length: 5\r\n\r\nhello" if method == "POST" else "\r\n"
            exchange = talk(self.sites[site].connect, [request.encode()], [method])
            known = self._known[case.name, site] = Outcome(exchange)
        return known

    def sentinel(self, site: str) -> Exchange:
        """Send nothing but the sentinel, on a connection of its own."""
        return talk(self.sites[site].connect, [b""], [], "pipelined")
