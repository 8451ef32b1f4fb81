"""Both event loops, and the proof that nothing is left behind."""

from tests.transport.conftest import run, warm

__all__ = ["run", "warm"]
