"""Commands that change flags while the app runs, and tell what was changed.

    command.py      flag set, flag list, flag history
    emergency.py    kill, unkill
    override.py     override: a header for testers
    changing.py     what a change needs: who, when, which file, which route
    listing.py      flags and their history, as rows

They write the state file; running workers follow it.
"""

from forst_asgi.cli.flags.command import app
from forst_asgi.cli.flags.emergency import kill, unkill
from forst_asgi.cli.flags.override import override

__all__ = ["app", "kill", "override", "unkill"]
