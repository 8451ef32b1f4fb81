"""How a worker keeps up to date with the state file."""

import asyncio
from pathlib import Path

import pytest

from forst_asgi.events import Event, FlagsUnreadable
from forst_asgi.flags import EMPTY, Mark, State, StateFile, StateWatch, kill, unkill

ADA = Mark("ada", "2025-01-31T12:00:00Z", "a try")


class Worker:
    """A watch, with what it told."""

    wants_requests = False

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self.states: list[State | None] = []
        self.was_told = asyncio.Event()
        self.watch = StateWatch(StateFile(path), self.apply, self, 0.005)

    def apply(self, state: State | None) -> None:
        self.states.append(state)
        self.was_told.set()

    def observe(self, event: Event) -> None:
        self.events.append(event)

    @property
    def problems(self) -> list[str]:
        """What was wrong, as far as it was told."""
        return [event.problem for event in self.events if isinstance(event, FlagsUnreadable)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state file is."""
    return tmp_path / "flags.json"


def test_a_new_state_is_taken_in_once(path: Path) -> None:
    """Each version of the file is applied, and none of them twice."""
    worker = Worker(path)
    worker.watch.look()
    assert worker.states == []
    one = StateFile(path).change(kill("a", ADA))
    worker.watch.look()
    worker.watch.look()
    two = StateFile(path).change(unkill("a", ADA))
    worker.watch.look()
    assert (worker.states, worker.events) == ([one, two], [])


def test_what_is_known_outlives_the_file(path: Path) -> None:
    """A file that goes missing changes nothing, is told once, and is taken in again when it is back."""
    worker = Worker(path)
    state = StateFile(path).change(kill("a", ADA))
    worker.watch.look()
    content = path.read_bytes()
    path.unlink()
    worker.watch.look()
    worker.watch.look()
    assert (worker.states, worker.problems) == ([state], ["is gone; what it said stays in force"])
    path.write_bytes(content)
    worker.watch.look()
    assert worker.states == [state, state]


def test_what_is_known_outlives_a_broken_file(path: Path) -> None:
    """A file that cannot be read changes nothing, is told once, and taken in when it is mended."""
    worker = Worker(path)
    state = StateFile(path).change(kill("a", ADA))
    worker.watch.look()
    content = path.read_bytes()
    path.write_text("{")
    worker.watch.look()
    worker.watch.look()
    assert worker.states == [state]
    assert len(worker.problems) == 1
    assert worker.problems[0].startswith("is not JSON")
    path.write_bytes(content)
    worker.watch.look()
    assert worker.states == [state, state]


def test_a_kill_in_a_broken_file_is_put_in_force(path: Path) -> None:
    """It is added to what is known, even if what is wrong was told before, until there is a whole state."""
    worker = Worker(path)
    known = StateFile(path).change(kill("a", ADA))
    worker.watch.look()
    whole = path.read_text()
    broken = whole.replace('"mode": null', '"mode": "half"')
    mark = '"killed": {"who": "", "when": "", "why": ""}'
    for content in (broken, broken.replace('"killed": null', mark, 1), broken, "{"):
        path.write_text(content)
        worker.watch.look()
    path.unlink()
    worker.watch.look()
    assert worker.states[0] == known
    assert [state is not None and state.killed for state in worker.states[1:]] == [Mark("", "", "")]
    assert len(worker.problems) == 3
    path.write_text(whole)
    worker.watch.look()
    assert worker.states[-1] == known


def test_a_file_that_never_could_be_read_may_hold_a_kill(path: Path) -> None:
    """Then the state is unknown, which is not the same as unchanged."""
    worker = Worker(path)
    path.write_text("{")
    worker.watch.look()
    worker.watch.look()
    assert (worker.states, len(worker.problems)) == ([None], 1)
    path.write_text("[]")
    worker.watch.look()
    assert (worker.states, len(worker.problems)) == ([None, None], 2)


def test_taking_away_a_file_that_never_could_be_read_ends_the_doubt(path: Path) -> None:
    """Without a file nothing was changed."""
    worker = Worker(path)
    path.write_text("{")
    worker.watch.look()
    path.unlink()
    worker.watch.look()
    worker.watch.look()
    assert worker.states == [None, EMPTY]


def test_it_looks_by_itself(path: Path) -> None:
    """Once started, a change is taken in without being told to; once closed, no more."""

    async def main() -> None:
        worker = Worker(path)
        worker.watch.start()
        worker.watch.start()
        assert repr(worker.watch) == f"<StateWatch {path} running>"
        state = StateFile(path).change(kill("a", ADA))
        async with asyncio.timeout(30):
            await worker.was_told.wait()
        assert worker.states == [state]
        await worker.watch.aclose()
        await worker.watch.aclose()
        assert repr(worker.watch) == f"<StateWatch {path} not started>"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_an_observer_that_raises_does_not_end_it(path: Path) -> None:
    """Its mistake is the loop's to tell; the next change is taken in all the same."""

    async def main() -> None:
        troubles: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, trouble: troubles.append(trouble["exception"])
        )
        worker = Worker(path)
        mistake = ValueError("an observer's")

        def tell(state: State | None) -> None:
            worker.apply(state)
            if len(worker.states) == 1:
                raise mistake

        watch = StateWatch(StateFile(path), tell, worker, 0.005)
        watch.start()
        states = []
        for _ in range(2):
            worker.was_told.clear()
            states.append(StateFile(path).change(kill("a", ADA)))
            async with asyncio.timeout(30):
                await worker.was_told.wait()
        assert (worker.states, troubles) == (states, [mistake])
        await watch.aclose()

    asyncio.run(main())


def test_a_watch_that_runs_tells_what_is_wrong(path: Path) -> None:
    """By itself as when told to look."""
    path.write_text("{")

    async def main() -> None:
        worker = Worker(path)
        worker.watch.start()
        async with asyncio.timeout(30):
            await worker.was_told.wait()
        await worker.watch.aclose()
        assert (worker.states, len(worker.problems)) == ([None], 1)

    asyncio.run(main())


class Vanishing(StateFile):
    """A file that goes between the look at it and the reading."""

    def signature(self) -> tuple[int, int, int]:
        return 1, 1, 1


def test_a_file_that_goes_while_it_is_looked_at_waits_for_the_next_look(path: Path) -> None:
    """Nothing is taken in, and nothing is wrong."""
    worker = Worker(path)
    StateWatch(Vanishing(path), worker.apply, worker).look()
    assert (worker.states, worker.events) == ([], [])


def test_it_can_begin_anew_in_another_loop(path: Path) -> None:
    """Without a lifespan each request may have a loop of its own; what a closed one left is no hindrance."""
    worker = Worker(path)

    async def start() -> None:
        worker.watch.start()

    async def follow() -> None:
        worker.watch.start()
        StateFile(path).change(kill("a", ADA))
        async with asyncio.timeout(30):
            await worker.was_told.wait()

    asyncio.run(start())
    asyncio.run(follow())
    asyncio.run(worker.watch.aclose())
    assert len(worker.states) == 1


def test_it_can_be_closed_from_another_loop(path: Path) -> None:
    """The task ends in the loop where it runs."""
    worker = Worker(path)

    async def main() -> None:
        worker.watch.start()
        await asyncio.to_thread(lambda: asyncio.run(worker.watch.aclose()))
        async with asyncio.timeout(30):
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - the task is nobody's any more
                await asyncio.sleep(0)

    asyncio.run(main())


def test_a_loop_that_was_closed_over_it_leaves_nothing_to_stop(path: Path) -> None:
    """Closing after the loop is gone does nothing."""
    worker = Worker(path)
    loop = asyncio.new_event_loop()

    async def start() -> None:
        worker.watch.start()

    loop.run_until_complete(start())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.run(worker.watch.aclose())
    assert "not started" in repr(worker.watch)
