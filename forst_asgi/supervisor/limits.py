"""A limit on the memory of a process, where the system can set one from outside."""

import contextlib
import resource
import sys

if sys.platform == "linux":

    def limit_memory(pid: int, size: int | None) -> None:
        """Limit the data segment and private mappings of a process (RLIMIT_DATA, getrlimit(2)).

        Not its address space: Go reserves far more of that than it uses. A process that is gone already
        is no error.

        Args:
            pid: a process of ours.
            size: bytes; None for no limit.
        """
        if size is not None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_DATA, (size, size))

else:

    def limit_memory(pid: int, size: int | None) -> None:
        """Do nothing: macOS has no prlimit(2); GOMEMLIMIT is all there is."""
