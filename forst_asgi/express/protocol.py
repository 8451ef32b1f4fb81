"""Uvicorn's HTTP/1.1 protocol with the lane in it."""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from uvicorn.server import ServerState

from forst_asgi.express import wire
from forst_asgi.express.front import ProxyHeaders
from forst_asgi.express.lane import METHODS, admit, lane_of
from forst_asgi.express.passage import Passage
from forst_asgi.messages import BODYLESS, UpstreamResponse
from forst_asgi.request_id import bind
from forst_asgi.runtime import Runtime
from forst_asgi.types import ASGIApp, RawHeaders, Receive, Scope, Send

_PERCENT = ord("%")
_FRAGMENT = ord("#")
_LONGEST = 8192  # far below what uvicorn's own parser of URLs takes, which raises then


class Protocol(HttpToolsProtocol):
    """One connection of a client; see `uvicorn.Config(http=...)` and the command line's `--http`.

    What is overridden asks first whether a request takes the lane, and is uvicorn's own for every other.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._lane = lane_of(config)
        self._trusted: ProxyHeaders | None = None  # what --proxy-headers does, where this client is trusted
        self._passage: Passage | None = None
        self._default = wire.DefaultFields()
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        super().connection_made(transport)  # type: ignore[arg-type]
        headers = self._lane.proxy_headers if self._lane is not None else None
        if headers is not None and headers.trusts(self.client[0] if self.client else None):
            self._trusted = headers

    # -- onto the lane -----------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """The head is here: see whether the request takes the lane."""
        lane = self._lane
        runtime = lane.middleware.runtime if lane is not None else None
        if runtime is None or not self.url.startswith(runtime.express) or not self._enter(runtime):
            super().on_headers_complete()

    def _enter(self, runtime: Runtime) -> bool:
        parser = self.parser
        before: Any = self.cycle  # None at first
        method = METHODS.get(parser.get_method())
        if (
            method is None
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
            or self.expect_100_continue
            or not (before is None or before.response_complete)
            or self._is_crowded()
        ):
            return False
        url = self.url
        path, _, query = url.partition(b"?")
        # What could be read in two ways, is cut off, or is refused, is uvicorn's to read.
        if _PERCENT in path or not url.isascii() or _FRAGMENT in url or len(url) > _LONGEST:
            return False
        scope: Any = self.scope
        scope["method"] = method
        if self.root_path:
            path = self.root_path.encode("ascii") + path
        scope["path"] = path.decode("ascii")
        scope["raw_path"] = path
        scope["query_string"] = query
        if self._trusted is not None:
            scope = self._trusted.applied(scope)
        admitted = admit(runtime, scope)
        if admitted is None:
            return False
        passage = Passage(self, scope, admitted, keep_alive=parser.should_keep_alive())
        self.cycle = passage  # type: ignore[assignment]
        return True

    def _is_crowded(self) -> bool:
        limit = self.limit_concurrency
        return limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit)

    def on_message_complete(self) -> None:
        """The body is here: send the request, if it is on the lane."""
        passage: Any = self.cycle
        if type(passage) is not Passage or not passage.is_gathering:
            super().on_message_complete()
        elif passage.begin():
            self._passage = passage
        else:
            self._leave(passage, is_whole=True)

    def data_received(self, data: bytes) -> None:
        """Parse; a body that is not here as soon as its head takes the usual way."""
        super().data_received(data)
        passage: Any = self.cycle
        if type(passage) is Passage and passage.is_gathering and not self.transport.is_closing():
            self._leave(passage, is_whole=False)

    def _leave(self, passage: Passage, *, is_whole: bool) -> None:
        """Nothing was sent: do what uvicorn would have done."""
        passage.is_gathering, passage.response_complete = False, True
        super().on_headers_complete()
        self.cycle.keep_alive = passage.keep_alive
        self.cycle.body += passage.body
        if is_whole:
            super().on_message_complete()
        elif passage.body:
            self.cycle.message_event.set()

    # -- the answer --------------------------------------------------------------------------------

    def answer(self, passage: Passage, response: UpstreamResponse, fields: RawHeaders) -> None:
        """Write an answer, all of which is here."""
        self._passage = None
        status, scope = response.status, passage.scope
        if self.access_log:
            self._log(scope, status)
        self.transport.write(
            wire.response(
                status,
                self._default.lines(self.server_state.default_headers),
                fields,
                response.take(),
                has_body=scope["method"] != "HEAD" and status not in BODYLESS,
                is_last=not passage.keep_alive,
            )
        )
        passage.response_complete = True
        if not passage.keep_alive:
            self.transport.close()
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._rest()

    def _log(self, scope: Any, status: int) -> None:
        self.access_logger.info(
            '%s - "%s %s HTTP/%s" %d',
            get_client_addr(scope),
            scope["method"],
            get_path_with_query_string(scope),
            scope["http_version"],
            status,
        )

    def carry_on(self, passage: Passage) -> None:
        """Let a cycle wait for the answer to what was sent."""
        self._passage = None
        cycle = RequestResponseCycle(
            scope=passage.scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=passage.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body += passage.body
        cycle.more_body = False
        cycle.message_event.set()
        if self.cycle is passage:  # type: ignore[comparison-overlap]
            self.cycle = cycle
        self._start_asgi_task(cycle, _carrying(passage))  # type: ignore[arg-type]

    # -- keep-alive --------------------------------------------------------------------------------

    # Uvicorn sets a timer after each response and cancels it at the next request. For what comes over the
    # lane one is enough that looks, when it is due, for how long nothing has come.

    def _rest(self) -> None:
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        self._idle_timer = None
        if self._idle_since is None:
            return
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._look)
        else:
            self.timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None
        super()._unset_keepalive_if_required()

    # -- the end -----------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and nobody waits for what goes on upstream."""
        super().connection_lost(exc)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._passage is not None:
            self._passage.abandon()
            self._passage = None


def _carrying(passage: Passage) -> ASGIApp:
    """Return an ASGI app for the rest of what was begun."""

    async def carry_on(scope: Scope, receive: Receive, send: Send) -> None:
        bind(scope["forst.request_id"])
        if passage.exchange is not None:
            forwarder = passage.forwarder.carry_on(passage.exchange, passage.began)
            await forwarder(scope, receive, send)

    return carry_on
