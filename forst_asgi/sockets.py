"""Unix sockets, as operating systems have them."""

import sys
from typing import Final

SOCKET_PATH_LIMIT: Final = 103 if sys.platform == "darwin" else 107
"""How many bytes a path may have: those of `sockaddr_un.sun_path`, less the final NUL (unix(7), unix(4))."""
