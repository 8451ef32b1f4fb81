"""The table of states that keeps one answer from leaking into another."""

import pytest

from forst_asgi.transport.states import NEXT, Signal, State

ALLOWED = {
    (State.IDLE, Signal.REQUEST): State.WAITING,
    (State.WAITING, Signal.INTERIM): State.WAITING,
    (State.WAITING, Signal.HEAD): State.BODY,
    (State.BODY, Signal.END): State.ENDED,
    (State.ENDED, Signal.RELEASE): State.IDLE,
    (State.IDLE, Signal.CLOSE): State.CLOSED,
    (State.WAITING, Signal.CLOSE): State.CLOSED,
    (State.BODY, Signal.CLOSE): State.CLOSED,
    (State.ENDED, Signal.CLOSE): State.CLOSED,
}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("signal", list(Signal))
def test_every_state_and_signal(state: State, signal: Signal) -> None:
    """Each pair of state and signal leads where this table says, and nowhere when it says nothing."""
    assert NEXT.get((state, signal)) == ALLOWED.get((state, signal))


@pytest.mark.item(27)
def test_one_way_back() -> None:
    """Only the release of a complete message leads back to use; nothing revives a closed connection."""
    assert [pair for pair, after in NEXT.items() if after is State.IDLE] == [(State.ENDED, Signal.RELEASE)]
    assert not [pair for pair in NEXT if pair[0] is State.CLOSED]
