"""forst-asgi flag, kill, unkill and override."""

import getpass
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.cli.flags.changing import mark, who
from forst_asgi.decision import FlagSpec, OverridePolicy, Switch, Target, rollout_of
from forst_asgi.decision.flag import Flag
from forst_asgi.flags import Mark, State, StateFile, roll_back, set_mode

ROUTES = """\
[sidecar]
address = "http://127.0.0.1:1"

[flags.override]
secret_env = "FORST_TEST_SECRET"

[[route]]
id = "calculate"
path = "/calculate"
mode = "on"
percent = 2
stick = ["header:x-user-id"]

[[route]]
id = "quote"
path = "/quote"
mode = "canary"
percent = 10
stick = ["header:x-user-id"]

[[route]]
id = "keyless"
path = "/keyless"
"""


@pytest.fixture(autouse=True)
def file(config: Callable[[str], Path]) -> Path:
    """Where the state of the configuration in the working directory is."""
    return config(ROUTES).parent / ".forst" / "flags.json"


def state(file: Path) -> State:
    """Return what is in the state file."""
    found = StateFile(file).read()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("arguments", "mode", "percent", "said"),
    [
        (["canary", "5"], "canary", 5, "canary 5 %"),
        (["canary", "0.5%"], "canary", 0.5, "canary 0.5 %"),
        (["canary"], "canary", 2, "canary 2 %"),
        (["off"], "off", None, "off"),
        (["on"], "on", None, "on"),
    ],
)
def test_setting_a_flag(
    invoke: Callable[..., Any], file: Path, arguments: list[str], mode: str, percent: float, said: str
) -> None:
    """The change is in the file with who, when and why, and the command says what is in force now."""
    done = invoke("flag", "set", "calculate", *arguments, "--why", " first\n\x1b[1musers ")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"calculate: {said} (generation 1); running workers follow within a second\n"
    route = state(file).route("calculate")
    assert (route.mode, route.percent) == (mode, percent)
    assert route.marked is not None
    assert route.marked.why == "first [1musers"
    assert route.marked.who == who()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", route.marked.when)


def test_what_is_above_the_mode_is_told(invoke: Callable[..., Any]) -> None:
    """The ceiling stays in force, and the command says so."""
    done = invoke("flag", "set", "quote", "on", "--why", "x")
    assert done.stdout.startswith("quote: canary 10 % (generation 1)")
    assert done.stderr == "set to on, but the route's mode is the ceiling: canary 10 %\n"


def test_the_ceiling_may_come_from_the_environment(invoke: Callable[..., Any]) -> None:
    """FORST_ROUTE_<ID> replaces the mode for the commands, too."""
    done = invoke("flag", "set", "quote", "on", "--why", "x", env={"FORST_ROUTE_QUOTE": "on"})
    assert (done.stdout[:10], done.stderr) == ("quote: on ", "")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["calcualte", "on"], 1, 'forst.toml: there is no route "calcualte", did you mean "calculate"?'),
        (["x", "on"], 1, 'there is no route "x"; its routes: calculate, quote, keyless'),
        (["calculate", "shadow"], 1, "comparing in the shadow is not there yet"),
        (["keyless", "canary", "5"], 1, 'has no "stick" keys, so nobody would be in its canary'),
        (["calculate", "canary", "0"], 2, "percentage from 0.01 to 100"),
        (["calculate", "canary", "five"], 2, "PERCENT"),
        (["calculate", "on", "5"], 2, "PERCENT"),
        (["calculate", "half"], 2, "half"),
    ],
)
def test_what_cannot_be_set_is_refused(
    invoke: Callable[..., Any], file: Path, arguments: list[str], status: int, said: str
) -> None:
    """Nothing is written, and the message says what was expected."""
    done = invoke("flag", "set", *arguments, "--why", "x")
    assert done.exit_code == status
    assert said in done.stderr
    assert not file.exists()


def test_a_reason_is_asked_for(invoke: Callable[..., Any]) -> None:
    """Whoever looks at the history wants to know why."""
    done = invoke("flag", "set", "calculate", "on")
    assert (done.exit_code, "--why" in done.stderr) == (2, True)


def test_killing_one_and_all(invoke: Callable[..., Any], file: Path) -> None:
    """Kills are apart, each is taken back by itself, and what is left is told."""
    assert invoke("kill", "calculate", "--why", "wrong sums").stdout.startswith(
        "calculate: killed (generation 1)"
    )
    assert invoke("kill").stdout.startswith("all routes: killed (generation 2)")
    assert state(file).route("calculate").killed == Mark(
        who(), state(file).history[0].mark.when, "wrong sums"
    )
    done = invoke("flag", "set", "quote", "off", "--why", "x")
    assert done.stderr == "nothing changes as long as it is killed; take that back with: forst-asgi unkill\n"
    done = invoke("unkill")
    assert done.stdout.startswith("all routes: no longer killed (generation 4)")
    assert done.stderr == "still killed by themselves: calculate\n"
    done = invoke("flag", "set", "calculate", "off", "--why", "x")
    assert done.stderr.endswith("forst-asgi unkill calculate\n")
    assert invoke("unkill", "calculate").stdout.startswith("calculate: no longer killed (generation 6)")
    assert invoke("unkill", "calculate").stdout == "calculate: not killed, nothing to take back\n"
    assert invoke("unkill").stdout == "all routes: not killed, nothing to take back\n"
    assert state(file).generation == 6


def test_taking_back_one_kill_under_a_kill_of_all(invoke: Callable[..., Any]) -> None:
    """The one that is left is told."""
    invoke("kill", "quote")
    invoke("kill")
    assert invoke("unkill", "quote").stderr == (
        "all routes are still killed; take that back with: forst-asgi unkill\n"
    )


@pytest.mark.parametrize("command", [["kill"], ["unkill"], ["flag", "history"]])
def test_a_route_that_is_not_there_is_refused(invoke: Callable[..., Any], command: list[str]) -> None:
    """A typing mistake in an emergency is told at once."""
    done = invoke(*command, "calcualte")
    assert (done.exit_code, 'did you mean "calculate"?' in done.stderr) == (1, True)


def test_a_kill_of_all_goes_through_a_broken_state_file(invoke: Callable[..., Any], file: Path) -> None:
    """The emergency comes first; every other change leaves the file for a person to look at."""
    file.parent.mkdir()
    file.write_text("{")
    done = invoke("flag", "set", "calculate", "off", "--why", "x")
    assert (done.exit_code, "flags.json: is not JSON" in done.stderr) == (1, True)
    refused = invoke("kill", "quote")
    assert (refused.exit_code, "puts the file aside: forst-asgi kill\n" in refused.stderr) == (1, True)
    assert invoke("kill").exit_code == 0
    assert state(file).killed is not None


def test_what_a_broken_state_file_said_is_over(invoke: Callable[..., Any], file: Path) -> None:
    """Whoever kills all routes over it is told where it is, before taking the kill back."""
    file.parent.mkdir()
    file.write_text("{")
    done = invoke("kill")
    kept = file.with_name("flags.json.unreadable")
    assert done.stderr == f"{file} could not be read; it is kept as {kept}, and what it said is over\n"
    assert kept.read_text() == "{"
    assert invoke("kill").stderr == ""


def test_kills_in_a_broken_state_file_go_on(invoke: Callable[..., Any], file: Path) -> None:
    """Taking the kill of all back later leaves them, as the command says."""
    invoke("kill", "quote")
    file.write_text(file.read_text().replace('"mode": null', '"mode": "half"'))
    done = invoke("kill")
    assert done.stderr.endswith("and what it said is over but for its kills\n")
    assert "still killed by themselves: quote" in invoke("unkill").stderr


@pytest.mark.parametrize("state_line", ["", '[flags]\nstate = "other/flags.json"\n'])
def test_a_kill_goes_through_a_broken_configuration(
    invoke: Callable[..., Any], config: Callable[[str], Path], state_line: str
) -> None:
    """The running workers have an earlier one; where its state is can be told as long as it is TOML."""
    path = config(state_line + ROUTES.replace('"on"', '"onn"'))
    done = invoke("kill", "calculate")
    where = path.parent / ("other" if state_line else ".forst") / "flags.json"
    assert done.exit_code == 0
    assert 'did you mean "on"?' in done.stderr
    assert done.stderr.endswith(f"so the route's id is not checked, and the state file is {where}\n")
    assert state(where).route("calculate").killed is not None
    assert invoke("kill", "-c", str(path)).exit_code == 0
    assert invoke("unkill", "calculate").exit_code == 1


@pytest.mark.parametrize("text", ["[[route\n", "[flags]\nstate = 5\n", "flags = 5\nroute = 5"])
def test_a_kill_that_cannot_tell_where_to_is_told_how(
    invoke: Callable[..., Any], config: Callable[[str], Path], text: str
) -> None:
    """With the state file named, no configuration is needed; a new file is doubted."""
    path = config(text)
    done = invoke("kill")
    if text.startswith("flags"):
        assert done.exit_code == 0
        return
    assert (done.exit_code, done.stderr.endswith("forst-asgi kill --state FILE\n")) == (1, True)
    where = path.parent / "state.json"
    done = invoke("kill", "--state", str(where))
    assert done.stderr == f"{where} was not there before; is it the one that the workers look at?\n"
    assert state(where).killed is not None
    assert invoke("kill", "anything", "--state", str(where)).stderr == ""


def test_without_any_configuration_there_is_nothing_to_kill(
    invoke: Callable[..., Any], config: Callable[[str], Path]
) -> None:
    """The message says where one was looked for, and how to do without."""
    config("").unlink()
    done = invoke("kill")
    assert (done.exit_code, "no configuration found" in done.stderr, "--state FILE" in done.stderr) == (
        1,
        True,
        True,
    )


def test_listing_flags(invoke: Callable[..., Any], file: Path) -> None:
    """Each route has its ceiling, what it was set to and what is in force, with who brought that about."""
    assert [row["in_force"] for row in json.loads(invoke("flag", "list", "--json").stdout)] == [
        "on",
        "canary 10 %",
        "off",
    ]
    invoke("flag", "set", "calculate", "canary", "5", "--why", "first users")
    invoke("kill", "quote", "--why", "too slow")
    StateFile(file).change(roll_back("keyless", mark("the guard")))
    StateFile(file).change(set_mode("gone", "off", None, mark("long ago")))
    rows = json.loads(invoke("flag", "list", "--json").stdout)
    assert [tuple(row[key] for key in ("route", "mode", "set_to", "in_force", "why")) for row in rows] == [
        ("calculate", "on", "canary 5 %", "canary 5 %", "first users"),
        ("quote", "canary 10 %", "", "killed", "too slow"),
        ("keyless", "off", "", "rolled back", "the guard"),
        ("gone", "(not configured)", "off", "", "long ago"),
    ]
    heading, *lines = invoke("flag", "list").stdout.splitlines()
    assert re.split(r"\s{2,}", heading) == ["route", "mode", "set to", "in force", "who", "when", "why"]
    assert len(lines) == 4
    done = invoke("flag", "set", "keyless", "off", "--why", "x")
    assert done.stderr == "nothing changes as long as it is rolled back\n"


def test_showing_the_history(invoke: Callable[..., Any]) -> None:
    """All changes, or those of one route, the latest at the end."""
    assert invoke("flag", "history").stdout == "nothing was changed\n"
    invoke("flag", "set", "calculate", "canary", "5", "--why", "first users")
    invoke("kill", "--why", "errors")
    invoke("kill", "quote")
    rows = json.loads(invoke("flag", "history", "calculate", "--json").stdout)
    assert [(row["route"], row["did"], row["why"], row["generation"]) for row in rows] == [
        ("calculate", "set canary 5 %", "first users", 1),
        ("(all)", "killed", "errors", 2),
    ]
    assert len(invoke("flag", "history").stdout.splitlines()) == 4


def test_a_configuration_without_routes(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """There is nothing to list, which is no mistake."""
    config("")
    assert invoke("flag", "list").stdout == "forst.toml: no routes\n"
    assert "its routes: none" in invoke("kill", "a").stderr


SECRET = {"FORST_TEST_SECRET": "0123456789abcdef"}


def test_a_tester_gets_a_header(invoke: Callable[..., Any]) -> None:
    """The line goes to curl as it is, and a worker with the same secret takes it until it ends."""
    begin = time.time()
    done = invoke("override", "--route", "calculate", "--target", "app", "--for", "90m", env=SECRET)
    name, _, value = done.stdout.strip().partition(": ")
    assert name == "x-forst-route"
    end = int(value.split(".")[3])
    assert begin + 5399 <= end <= time.time() + 5400
    assert "UTC, for the route calculate" in done.stderr
    policy = OverridePolicy((b"0123456789abcdef",))
    switch = Switch(Flag(FlagSpec("calculate", rollout_of("on"), override=policy)))
    scope = {"type": "http", "headers": [(name.encode(), value.encode())]}
    assert switch.decide(scope, _Match()).target is Target.APP


class _Match:
    params: Mapping[str, Any] = {}


@pytest.mark.parametrize(
    ("arguments", "env", "status", "said"),
    [
        ([], {}, 1, "FORST_TEST_SECRET is not set"),
        (["--for", "1"], SECRET, 2, "expected a duration"),
        (["--for", "1ms"], SECRET, 2, "one second to 30 days"),
        (["--for", "721h"], SECRET, 2, "one second to 30 days"),
        (["--target", "go"], SECRET, 2, "go"),
    ],
)
def test_headers_that_cannot_be_made(
    invoke: Callable[..., Any], arguments: list[str], env: dict[str, str], status: int, said: str
) -> None:
    """A missing secret, or a time that is none, is told."""
    done = invoke("override", "--route", "calculate", *arguments, env=env)
    assert (done.exit_code, said in done.stderr, done.stdout) == (status, True, "")


def test_without_a_secret_nothing_is_signed(
    invoke: Callable[..., Any], config: Callable[[str], Path]
) -> None:
    """The message says where to name one."""
    for table in ("", '[flags.override]\nunsigned_from = ["127.0.0.1"]\n'):
        config(ROUTES.replace('[flags.override]\nsecret_env = "FORST_TEST_SECRET"\n', table))
        done = invoke("override", "--route", "calculate")
        assert (done.exit_code, "[flags.override]" in done.stderr) == (1, True)


def test_who_makes_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person at the keyboard, also behind sudo, and somebody where the system knows no names."""
    monkeypatch.setenv("SUDO_USER", "ada")
    assert who().startswith("ada@")
    monkeypatch.delenv("SUDO_USER")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody() -> str:
        raise OSError("no user name is set")

    # The test cannot run as a user without a name, so the system's answer is given to it.
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert who().startswith(f"uid {os.getuid()}@")
