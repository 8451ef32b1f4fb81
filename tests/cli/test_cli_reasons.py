"""forst-asgi explain, where flags have a say."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from forst_asgi.decision import Target, bucket_of, sign
from forst_asgi.flags import Mark, StateFile, kill, roll_back, set_mode
from forst_asgi.flags.state import Transition

ROUTES = """\
[sidecar]
address = "http://127.0.0.1:1"

[flags.override]
secret_env = "FORST_TEST_SECRET"

[[route]]
id = "calculate"
path = "/calculate"
mode = "on"
auth = "none"

[[route]]
id = "quote"
path = "/quotes/{id}"
mode = "canary"
percent = 25
stick = ["header:x-user-id", "cookie:sid"]
auth = "none"

[[route.rule]]
name = "staff"
when = [{ key = "header:x-team", in = ["checkout"] }]
mode = "on"

[[route.rule]]
name = "guests"
when = [{ key = "query:guest", exists = true }]
mode = "canary"
percent = 50

[[route]]
id = "keyless"
path = "/keyless"
"""

SECRET = {"FORST_TEST_SECRET": "0123456789abcdef"}

Explained: TypeAlias = Callable[..., tuple[str, str]]

ADA = Mark("ada", "2025-01-31T12:00:00Z", "a try")
NAMES = {bucket_of("canary", "quote", f"u{number}"): f"u{number}" for number in range(200)}
LOW, HIGH = min(NAMES), max(NAMES)


@pytest.fixture
def explained(invoke: Callable[..., Any], config: Callable[[str], Path]) -> Explained:
    """Asks for the explanation of a request; returns who answers and why."""
    folder = config(ROUTES).parent

    def explain(*arguments: str, change: Transition | None = None, **more: Any) -> tuple[str, str]:
        if change is not None:
            StateFile(folder / ".forst" / "flags.json").change(change)
        done = invoke("explain", *arguments, **more)
        assert done.exit_code == 0, done.stderr
        _, who, why, *_ = [re.split(r"\s{2,}", line, maxsplit=1)[1] for line in done.stdout.splitlines()]
        return who, why.partition(", ")[2]

    return explain


@pytest.mark.parametrize(
    ("arguments", "who", "why"),
    [
        (["/calculate"], "sidecar", 'whose mode is "on" (mode_on)'),
        (["/keyless"], "app", 'whose mode is "off" (mode_off)'),
        (
            ["/quotes/1", "-H", f"x-user-id: {NAMES[LOW]}"],
            "sidecar",
            f"whose canary 25 % includes bucket {LOW} of 10000 (canary_in)",
        ),
        (
            ["/quotes/1", "-H", f"cookie: sid={NAMES[HIGH]}"],
            "app",
            f"whose canary 25 % leaves out bucket {HIGH} of 10000 (canary_out)",
        ),
        (["/quotes/1"], "app", "whose canary 25 % needs one of: header:x-user-id, cookie:sid (no_stick_key)"),
        (["/quotes/1", "-H", "x-team: checkout"], "sidecar", 'whose rule "staff" holds (rule_on)'),
        (
            ["/quotes/1?guest=1", "-H", f"x-user-id: {NAMES[LOW]}"],
            "sidecar",
            f'whose canary 50 % by the rule "guests" includes bucket {LOW} of 10000 (canary_in)',
        ),
        (["/quotes/1", "-H", "x-forst-route: sidecar"], "app", None),
    ],
)
def test_reasons(explained: Explained, arguments: list[str], who: str, why: str | None) -> None:
    """The side and the words for it follow from the request."""
    found = explained(*arguments, env=SECRET)
    assert found[0] == who
    assert why in (None, found[1])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (kill(None, ADA), "which is killed (killed)"),
        (kill("calculate", ADA), "which is killed (killed)"),
        (roll_back("calculate", ADA), "whose rollout was taken back (rolled_back)"),
        (set_mode("calculate", "off", None, ADA), "which was set to off while it runs (state_off)"),
        (
            set_mode("calculate", "canary", 5, ADA),
            "whose canary 5 % needs one of: no keys are configured (no_stick_key)",
        ),
    ],
)
def test_the_state_file_counts(explained: Explained, change: Transition, why: str) -> None:
    """What was changed while it runs is in the answer."""
    assert explained("/calculate", change=change) == ("app", why)


def test_the_environment_counts(explained: Explained) -> None:
    """FORST_ROUTE_<ID> replaces the mode, and is named."""
    env = {"FORST_ROUTE_KEYLESS": "on"}
    assert explained("/keyless", env=env) == (
        "sidecar",
        'whose mode is "on", as FORST_ROUTE_KEYLESS has it (mode_on)',
    )


def test_a_tester_s_header_counts(explained: Explained) -> None:
    """With the secret at hand, a signed header is seen to work."""
    token = sign(b"0123456789abcdef", Target.SIDECAR, "keyless", int(time.time()) + 600)
    found = explained("/keyless", "-H", f"x-forst-route: {token}", env=SECRET)
    assert found == ("sidecar", "and the header of a tester asks for this side (override)")


def test_a_state_that_cannot_be_read_counts(explained: Explained, folder: Path) -> None:
    """Workers that start now leave everything to the app."""
    (folder / ".forst").mkdir()
    (folder / ".forst" / "flags.json").write_text("{")
    assert explained("/calculate") == ("app", "whose state file cannot be read (state_unreadable)")


def test_programs_get_the_reason(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """In JSON there is the reason's own name."""
    config(ROUTES)
    done = invoke("explain", "/quotes/1", "--json")
    assert json.loads(done.stdout)["reason"] == "no_stick_key"
