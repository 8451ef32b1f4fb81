"""One runtime after the other: what is put in force, what is kept, and what is refused."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from forst_asgi import Config, ConfigError, SidecarError, SidecarMiddleware
from forst_asgi.config import ReloadConfig
from forst_asgi.events import (
    ConfigLoaded,
    ConfigRefused,
    ConfigReloaded,
    ConfigWarned,
    FlagChanged,
    SidecarStarted,
    SidecarStopped,
)
from forst_asgi.flags import Mark, StateFile, kill
from forst_asgi.reload.reception import Reception
from forst_asgi.runtime import Upstream
from forst_asgi.types import Receive, Scope, Send
from tests.reload.conftest import app

if TYPE_CHECKING:
    from tests.conftest import Recorder
    from tests.reload.conftest import Site


def test_a_route_more_leaves_the_upstream_alone(site: "Site", recorder: "Recorder") -> None:
    """A new route is in force at once; the process, its connections and its breaker are the very same."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        pid, before = await site.get("/one"), site.runtime.upstreams["sidecar"]
        pool = before.transport._current._pools.get()  # type: ignore[attr-defined] # a white-box test
        assert await site.get("/two") == "python"
        site.write("one /one", "two /two")
        outcome = await site.succession.reload("command")
        assert (outcome.outcome, outcome.generation) == ("reloaded", site.runtime.generation)
        assert (await site.get("/one"), await site.get("/two")) == (pid, pid)
        assert site.runtime.upstreams["sidecar"] is before
        assert pool.slots == 1
        await site.succession.aclose()

    asyncio.run(main())
    [loaded], [reloaded] = recorder.of(ConfigLoaded), recorder.of(ConfigReloaded)
    assert loaded.generation != reloaded.generation
    assert (reloaded.routes, reloaded.upstreams, reloaded.by) == (("two",), (), "command")
    assert len(recorder.of(SidecarStarted)) == 1


def test_a_changed_command_is_another_process(site: "Site", recorder: "Recorder") -> None:
    """The new process is ready before the swap; the old one ends when nothing uses it any more."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        pid = await site.get("/one")
        site.write("one /one", sidecar='env = { A = "b" }')
        assert (await site.succession.reload("command")).outcome == "reloaded"
        assert await site.get("/one") not in {pid, "python"}
        await asyncio.wait(site.succession._leaving)
        assert [str(event.pid) for event in recorder.of(SidecarStopped)] == [pid]
        await site.succession.aclose()

    asyncio.run(main())
    assert recorder.of(ConfigReloaded)[0].upstreams == ("sidecar",)


REFUSED = {
    "empty": ("", "says nothing"),
    "broken": ("[sidecar", "is not TOML"),
    "partial": ('[sidecar]\naddress = "unix:/x"\n[[route]]\nid = "one"', "is missing"),
    "unguarded": (None, "would take requests"),
    "deleted": (..., "there is no such file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_changes_nothing(site: "Site", recorder: "Recorder", kind: str) -> None:
    """What is in force stays; the event names all that is wrong, once for a watched file."""
    site.write("one /one")
    content, problem = REFUSED[kind]

    async def main() -> None:
        await site.succession.start()
        before, pid = site.runtime, await site.get("/one")
        if isinstance(content, str):
            site.path.write_text(content)
        elif content is None:
            site.write("one /{all:path}")
        else:
            site.path.unlink()
        for _ in range(3):
            assert (await site.succession.reload("watch")).outcome == "refused"
        assert site.runtime is before
        assert await site.get("/one") == pid
        site.write("one /one")
        assert (await site.succession.reload("watch")).outcome == "unchanged"
        assert (await site.succession.reload("watch")).outcome == "unchanged"
        await site.succession.aclose()

    asyncio.run(main())
    [refused], [_] = recorder.of(ConfigRefused), recorder.of(ConfigReloaded)
    assert problem in refused.problem
    assert (refused.by, refused.generation) == ("watch", recorder.of(ConfigLoaded)[0].generation)


def test_an_upstream_that_cannot_be_started_changes_nothing(site: "Site", recorder: "Recorder") -> None:
    """The process that does not become ready is the only one that ends."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        pid = await site.get("/one")
        further = '[upstream.b]\ncommand = ["/bin/sh", "-c", "exit 3"]'
        site.write("one /one", sidecar=further)
        outcome = await site.succession.reload("command")
        assert "exit status 3" in str(outcome.problem)
        assert await site.get("/one") == pid
        await site.succession.aclose()

    asyncio.run(main())
    assert len(recorder.of(ConfigRefused)) == 1


def test_a_fixed_address_cannot_be_shared(site: "Site", recorder: "Recorder") -> None:
    """Where two programs would have to listen at one address, the reload is refused with the reason."""
    fixed = f'socket = "{site.path.parent}/s"'
    site.write("one /one", sidecar=fixed)

    async def main() -> None:
        await site.succession.start()
        site.write("one /one", sidecar=f"{fixed}\ncpus = 1")
        outcome = await site.succession.reload("command")
        assert "there cannot be two" in str(outcome.problem)
        await site.succession.aclose()

    asyncio.run(main())


def test_what_is_allowed_is_applied(site: "Site", recorder: "Recorder") -> None:
    """Wider routes come in force when the command or the file says so."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        site.write("one /{all}")
        assert (await site.succession.reload("command")).outcome == "refused"
        assert (await site.succession.reload("command", allows_all=True)).outcome == "reloaded"
        site.write("one /{all:path}")
        assert (await site.succession.reload("command")).outcome == "refused"
        site.path.write_text(site.text("one /{all:path}") + '\n[reload]\nallow = ["one"]')
        assert (await site.succession.reload("command")).outcome == "reloaded"
        await site.succession.aclose()

    asyncio.run(main())


def test_a_request_keeps_what_it_began_with(site: "Site", recorder: "Recorder") -> None:
    """An upstream that was replaced lives as long as a request works with a route to it."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        match = site.runtime.match({"type": "http", "path": "/one", "method": "GET", "headers": []})
        assert match is not None
        old = site.runtime.upstreams["sidecar"]
        site.write("one /one", sidecar='env = { A = "b" }')
        await site.succession.reload("command")
        [task] = site.succession._leaving
        done, _ = await asyncio.wait([task], timeout=0.3)
        assert not done
        assert old.where().path
        del match
        await task
        await site.succession.aclose()

    asyncio.run(main())


def test_what_the_app_answers_holds_nothing_back(site: "Site", recorder: "Recorder") -> None:
    """Long requests to the app, on a route that is off or on none, do not keep an upstream alive."""
    text = site.text("one /one", "two /two")
    site.path.write_text(text.replace('"/two"\nmode = "on"', '"/two"\nmode = "off"'))
    site.middleware.app = waiting = Waiting()

    async def main() -> None:
        await site.succession.start()
        long = [asyncio.create_task(site.get(path)) for path in ("/two", "/python")]
        await waiting.until(2)
        site.path.write_text(site.path.read_text().replace("ready_timeout", "cpus = 1\nready_timeout"))
        assert (await site.succession.reload("command")).outcome == "reloaded"
        await asyncio.wait(site.succession._leaving)
        waiting.go_on.set()
        assert await asyncio.gather(*long) == ["python", "python"]
        await site.succession.aclose()

    asyncio.run(main())


class Waiting:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self._came = asyncio.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._came.release()
        await self.go_on.wait()
        await app(scope, receive, send)

    async def until(self, count: int) -> None:
        """Return when so many requests have come."""
        for _ in range(count):
            await self._came.acquire()


def test_a_kill_outlives_a_reload(site: "Site", recorder: "Recorder") -> None:
    """What the state file says holds for the new table from its first request, and is not told again."""
    site.write("one /one")
    state = StateFile(site.path.parent / ".forst/flags.json")
    state.change(kill("one", Mark("ada", "2025-01-31T12:00:00Z", "a try")))

    async def main() -> None:
        await site.succession.start()
        assert await site.get("/one") == "python"
        state.path.write_text("{")  # nobody can read it any more
        site.write("one /one", "two /two")
        assert (await site.succession.reload("command")).outcome == "reloaded"
        assert await site.get("/one") == "python"
        assert await site.get("/two") != "python"
        await site.succession.aclose()

    asyncio.run(main())
    assert [event.mode for event in recorder.of(FlagChanged)] == ["killed"]


def test_another_state_file_is_taken_in(site: "Site", recorder: "Recorder") -> None:
    """A changed `[flags]` counts: the new state file holds, the old one does not."""
    site.write("one /one")
    other = StateFile(site.path.parent / "other.json")
    other.change(kill("one", Mark("ada", "2025-01-31T12:00:00Z", "a try")))

    async def main() -> None:
        await site.succession.start()
        assert await site.get("/one") != "python"
        site.path.write_text(site.text("one /one") + '\n[flags]\nstate = "other.json"')
        await site.succession.reload("command")
        assert await site.get("/one") == "python"
        await site.succession.aclose()

    asyncio.run(main())


def test_a_saved_file_is_taken_in(site: "Site", recorder: "Recorder") -> None:
    """With `watch` nobody has to ask, until the file says otherwise."""
    site.path.write_text(site.text("one /one") + "\n[reload]\nwatch = true")

    async def main() -> None:
        await site.succession.start()
        site.write("one /one", "two /two")
        await asyncio.to_thread(recorder.wait_for, ConfigReloaded)
        assert not site.succession._watch._is_wanted
        await site.succession.aclose()

    asyncio.run(main())


def test_a_server_starts_again(site: "Site", recorder: "Recorder") -> None:
    """After closing, a later start, in another loop too, runs what was last in force."""
    site.write("one /one")

    async def main(*routes: str) -> None:
        await site.succession.start()
        site.write(*routes)
        assert (await site.succession.reload("command")).outcome == "reloaded"
        await site.succession.aclose()

    asyncio.run(main("one /one", "two /two"))
    asyncio.run(main("one /one"))


def test_closing_ends_what_is_leaving(site: "Site", recorder: "Recorder") -> None:
    """A server that ends does not wait for upstreams that were replaced."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        held = site.runtime.table.routes
        site.write("one /one", sidecar='env = { A = "b" }')
        await site.succession.reload("command")
        await site.succession.aclose()
        assert held

    asyncio.run(main())
    assert len(recorder.of(SidecarStopped)) == 2


def test_a_configuration_in_python_is_never_read_again(recorder: "Recorder") -> None:
    """There is no file; asking for it to be watched fails with the reason."""
    plain = SidecarMiddleware(app, Config(), observer=recorder)

    async def main() -> None:
        await plain._succession.start()
        await plain.aclose()

    asyncio.run(main())
    middleware = SidecarMiddleware(app, Config(reload=ReloadConfig(watch=True)), observer=recorder)
    assert isinstance(middleware._problem, ConfigError)
    assert "built in Python" in str(middleware._problem)


class NoPlace(Reception):
    """The reception where no directory is private."""

    def open(self) -> None:
        raise SidecarError("no place")


def test_no_private_place_is_no_reason_to_fail(site: "Site", recorder: "Recorder") -> None:
    """A server that attaches to a sidecar starts where there is no place for its socket, and says so."""
    site.path.write_text('[sidecar]\naddress = "http://127.0.0.1:9"')

    async def main() -> None:
        site.succession._reception = NoPlace("", site.succession._answer)
        await site.succession.start()
        await site.succession.aclose()

    asyncio.run(main())
    assert "forst-asgi reload cannot be used: no place" in recorder.of(ConfigWarned)[0].problem


def test_each_signal_is_a_wish(site: "Site", recorder: "Recorder") -> None:
    """Both signals are answered, the second with what is in force already; closing ends what is under way."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        site.succession._hear()
        site.succession._hear()
        await asyncio.wait(site.succession._wishes)
        site.succession._hear()
        await site.succession.aclose()
        assert repr(site.succession).endswith("leaving=0>")

    asyncio.run(main())
    assert [event.by for event in recorder.of(ConfigReloaded)] == ["signal", "signal"]


def test_a_program_that_cannot_be_stopped_is_told(site: "Site", recorder: "Recorder") -> None:
    """What goes wrong with an upstream that is leaving is a warning, and no concern of requests."""
    site.write("one /one")

    async def main() -> None:
        await site.succession.start()
        upstream = Stubborn("sidecar", site.runtime.config.upstream("sidecar"), recorder)
        task = asyncio.get_running_loop().create_task(upstream.retire())
        task.add_done_callback(site.succession._forget)
        await asyncio.wait([task])
        await asyncio.sleep(0)
        await site.succession.aclose()

    asyncio.run(main())
    assert "it does not even die" in recorder.of(ConfigWarned)[0].problem


class Stubborn(Upstream):
    """An upstream whose process does not end."""

    async def aclose(self) -> None:
        raise SidecarError("it does not even die")
