"""What becomes of a request, worked out with the very parts that the middleware uses; nothing is sent."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final
from urllib.parse import unquote_to_bytes

from forst_asgi.cli.reasons import Verdict, judge
from forst_asgi.cli.rehearsal import Refusal, rehearse
from forst_asgi.config import Config, RouteConfig, UpstreamConfig
from forst_asgi.decision import Decision, Target
from forst_asgi.forward import ForwardPolicy
from forst_asgi.messages import UpstreamRequest
from forst_asgi.request_id import RequestId
from forst_asgi.routing import RouteTable
from forst_asgi.runtime import convert
from forst_asgi.types import RawHeaders, Scope

NEAREST: Final = 3
"""How many routes with another path are worth a line when none matches."""

PEER: Final = "127.0.0.1"
"""The client that is assumed."""

_FRAMING: Final = {b"content-length", b"transfer-encoding"}
"""Fields that go on after all: the transport writes them anew."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What the sidecar would get.

    Attributes:
        upstream: where it goes.
        request: the request without its body.
        added: the fields that the client did not send, or not so.
        dropped: the names of the client's fields that do not go on.
    """

    upstream: UpstreamConfig
    request: UpstreamRequest
    added: RawHeaders
    dropped: list[bytes]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of one request.

    Attributes:
        others: routes that do not get it and why, in the order of the file: all whose path would have
            fitted or, if there is none, those with the most similar paths.
        route: the route that it belongs to, None when it falls through to the app.
        verdict: who answers on that route, and why; None without a route.
        refusal: why nobody answers after all, if so.
        forwarding: what the sidecar gets; None unless it answers.
    """

    others: list[tuple[str, str]]
    route: RouteConfig | None = None
    verdict: Verdict | None = None
    refusal: Refusal | None = None
    forwarding: Forwarding | None = None

    @property
    def decision(self) -> Decision | None:
        """Who answers on the route, and why; None without a route."""
        return self.verdict.decision if self.verdict is not None else None

    @property
    def answered_by(self) -> Target | None:
        """Who answers; None for nobody, when the request is refused."""
        if self.refusal is not None:
            return None
        return self.decision.target if self.decision is not None else Target.APP


def explain_request(config: Config, method: str, target: str, headers: RawHeaders) -> Explanation:
    """Work out what becomes of a request.

    Args:
        config: the configuration.
        method: the method, as the client writes it.
        target: the path and query, as the client writes them.
        headers: the client's fields with lower-case names, Host included.
    """
    table = RouteTable([convert.route_spec(route, route) for route in config.routes])
    scope = _scope(method, target, headers)
    match = table.match(scope)
    others = _others(table, scope)
    if match is None:
        return Explanation(others)
    route = match.route.endpoint
    verdict = judge(config, route, scope, match)
    if verdict.decision.target is Target.APP:
        return Explanation(others, route, verdict)
    upstream = config.upstream(route.upstream)
    added = {
        "forst.match": match,
        "forst.decision": verdict.decision,
        "forst.request_id": RequestId.of(scope),
    }
    outcome = rehearse(_policy(config, route), {**scope, **added})
    if isinstance(outcome, Refusal):
        return Explanation(others, route, verdict, outcome)
    return Explanation(others, route, verdict, None, _forwarding(upstream, outcome, headers))


def _scope(method: str, target: str, headers: RawHeaders) -> Scope:
    """Return the scope that a server makes of a request over HTTP/1.1."""
    path, _, query = target.encode("utf-8", "surrogateescape").partition(b"?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": (PEER, 50000),
        "server": (PEER, 8000),
    }


def _policy(config: Config, route: RouteConfig) -> ForwardPolicy:
    # The app's check is not run, so it need not be importable either.
    # A rehearsal always fails where something would be sent, and that is not the app's to answer.
    unchecked = route.model_copy(update={"auth": None, "on_failure": "error"})
    return convert.forward_policy(unchecked, config.upstream(route.upstream), convert.trusted_proxies(config))


def _forwarding(upstream: UpstreamConfig, request: UpstreamRequest, headers: RawHeaders) -> Forwarding:
    sent = {name for name, _ in request.headers}
    added = [each for each in request.headers if each not in headers]
    dropped = [name for name, _ in headers if name not in sent and name not in _FRAMING]
    return Forwarding(upstream, request, added, dropped)


def _others(table: RouteTable[RouteConfig], scope: Scope) -> list[tuple[str, str]]:
    reasons = [(route, why or "") for route, why in table.explain(scope)]
    elsewhere = [route.template for route, why in reasons if why.startswith("path:")]
    is_unknown = len(elsewhere) == len(reasons)
    nearest = _most_similar(scope["path"], elsewhere) if is_unknown else []
    return [
        (route.id, why)
        for route, why in reasons
        if (route.template in nearest if why.startswith("path:") else why and not why.startswith("refused:"))
    ]


def _most_similar(path: str, templates: list[str]) -> list[str]:
    likeness = SequenceMatcher(b=path, autojunk=False)

    def ratio(template: str) -> float:
        likeness.set_seq1(template)
        return likeness.ratio()

    return sorted(templates, key=ratio, reverse=True)[:NEAREST]
