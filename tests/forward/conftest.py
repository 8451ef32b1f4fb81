"""The same two loops, sockets and proofs as the tests of the transport."""

from tests.transport.conftest import run, warm

__all__ = ["run", "warm"]
