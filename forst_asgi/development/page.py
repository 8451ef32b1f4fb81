"""A trouble as the browser and other clients get it; whatever a compiler wrote is text, never markup."""

import json
from html import escape
from typing import Final

from forst_asgi.development.trouble import Trouble
from forst_asgi.supervisor import Problem

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">{refresh}
<title>{title}</title>
<style>
body {{ margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fafafa; }}
main {{ max-width: 60rem; margin: 0 auto; padding: 2rem 1.5rem; }}
h1 {{ font-size: 1.4rem; border-left: .4rem solid #b3261e; padding-left: .8rem; }}
li {{ margin: .4rem 0; }}
code, pre {{ font: 14px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }}
pre {{ background: #1c1c1c; color: #f2f2f2; padding: 1rem; white-space: pre-wrap; }}
li code {{ font-weight: 600; color: #b3261e; }}
footer {{ color: #5c5c5c; font-size: .9rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{problems}<pre>{output}</pre>
<p>{served}</p>
<footer>Shown in development only (<code>FORST_DEV</code>).{reload}</footer>
</main>
</body>
</html>
"""

_SERVED: Final = (
    "The last good program still runs. It answers everything but a browser's address bar: curl, "
    "<code>fetch()</code> and the like get its answers, with the field <code>x-forst-trouble</code>."
)
_NOT_SERVED: Final = "No program runs, so nobody answers this route until it is mended."
_REFRESH: Final = '\n<meta http-equiv="refresh" content="2">'
_RELOAD: Final = " It reloads by itself every two seconds."


def html(trouble: Trouble, *, reloads: bool) -> bytes:
    """Return a page for a person.

    Args:
        trouble: what is wrong.
        reloads: whether the browser asks again by itself, which is for requests that change nothing.
    """
    items = "".join(map(_item, trouble.problems))
    return _PAGE.format(
        title=escape(f"The sidecar “{trouble.upstream}” {trouble.headline}"),
        problems=f"<ol>\n{items}</ol>\n" if items else "",
        output=escape(trouble.output),
        served=_SERVED if trouble.is_served else _NOT_SERVED,
        refresh=_REFRESH if reloads else "",
        reload=_RELOAD if reloads else "",
    ).encode("utf-8", "replace")


def document(trouble: Trouble) -> bytes:
    """Return a problem document (RFC 9457) with what the compiler said, line by line."""
    return json.dumps(
        {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": f'the sidecar "{trouble.upstream}" {trouble.headline}: {trouble.summary}',
            "upstream": trouble.upstream,
            "problems": [
                {"file": each.file, "line": each.line, "column": each.column, "message": each.message}
                for each in trouble.problems
            ],
            "output": trouble.output.splitlines(),
        },
        indent=2,
    ).encode()


def _item(problem: Problem) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part is not None)
    return f"<li><code>{escape(place)}</code> {escape(problem.message)}</li>\n"
