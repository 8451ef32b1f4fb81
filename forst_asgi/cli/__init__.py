"""The command `forst-asgi`: look at a configuration, ask what it does, try the whole thing.

    app.py          the command and what becomes of errors
    init.py         the first files, and those for a route     app_import.py finds the app, scaffold/ writes
    doctor/         is everything there, is nothing in the way?
    check.py        is the configuration right?            inspection.py finds what loading cannot
    routes.py       what is in it?
    explain.py      what becomes of a request?             explanation.py works it out
    flags/          change flags while the app runs: flag, kill, unkill, override
    schema.py       the JSON Schema for editors
    demo/           builds, starts and tries the demo of the repository

Results go to standard output, all else to standard error. The exit status is 0 when all is well, 1 when
the configuration or an answer is wrong, 2 when the command line is.
"""

from forst_asgi.cli.app import main

__all__ = ["main"]
