"""What the kernel does about a program whose worker dies (PR_SET_PDEATHSIG, prctl(2)); only Linux can.

The lifeline is the rule, for a program that knows it ends in good order. This is for programs that do not
know it: they are killed. `forstsidecar` asks for SIGCONT instead, so that a suspended process wakes up and
sees that its lifeline has ended.

The signal comes when the thread ends that started the program; that is the event loop's, which outlives it.
"""

import ctypes
import functools
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1

if sys.platform == "linux":
    # PyDLL keeps the interpreter's lock: none is let go of or taken in the forked process.
    _die_with_us = functools.partial(
        ctypes.PyDLL(None).prctl, ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL)
    )
    _AT_BIRTH: tuple[Callable[[], object], ...] = (_die_with_us,)
else:
    _AT_BIRTH = ()

AT_BIRTH: Final = _AT_BIRTH
"""What has to be called between fork and exec."""
