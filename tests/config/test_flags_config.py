"""What can be said about flags: canaries, rules, testers, the state file, the flag system."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from forst_asgi.config import (
    ConditionConfig,
    Config,
    ConfigError,
    FlagsConfig,
    OpenFeatureConfig,
    OverrideConfig,
    RouteConfig,
    RuleConfig,
    load,
)
from forst_asgi.config.rule import LONGEST_PATTERN, engine

FULL = """
[sidecar]
address = "http://127.0.0.1:9000"

[flags]
state = "run/flags.json"
context = "shop.flags:context"
show_decision_to = ["10.0.0.0/8"]

[flags.override]
secret_file = "secret"
unsigned_from = ["127.0.0.1"]

[flags.openfeature]
domain = "forst"
remote = true
timeout = "20ms"
attributes = ["header:X-Plan", "client"]

[[route]]
id = "calculate"
path = "/calculate/{currency}"
mode = "canary"
percent = 2.5
stick = ["header:X-User-Id", "cookie:sid", "query:user", "path:currency", "client"]
salt = "checkout"

[[route.rule]]
name = "one"
mode = "off"
when = [
  { key = "header:X-Team", equals = "a" },
  { key = "context:plan", in = ["pro", 5, true] },
  { key = "cookie:a", prefix = "p" },
  { key = "query:a", suffix = "s" },
  { key = "path:currency", contains = "u" },
  { key = "header:user-agent", regex = "curl/.*" },
  { key = "header:x-app", semver = ">=2.1.0, <3.0.0-rc.1" },
  { key = "header:x-n", below = 5 },
  { key = "header:x-n", at_most = 5.5 },
  { key = "header:x-n", above = -1 },
  { key = "header:x-n", at_least = 0 },
  { key = "header:x-n", exists = false },
  { key = "client", network = ["10.0.0.0/8", "2001:db8::/32"] },
]

[[route.rule]]
name = "two"
mode = "canary"
percent = 50
when = [{ key = "client", exists = true }]
"""


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    """Keys are in their normal form, paths are absolute, and every operator is there with its operand."""
    path = tmp_path / "forst.toml"
    path.write_text(FULL, encoding="utf-8")
    config = load(path)
    route, flags = config.routes[0], config.flags
    assert (route.mode, route.percent, route.salt) == ("canary", 2.5, "checkout")
    assert route.stick == ("header:x-user-id", "cookie:sid", "query:user", "path:currency", "client")
    assert (flags.state, flags.context) == (tmp_path / "run" / "flags.json", "shop.flags:context")
    assert flags.override is not None
    assert flags.override.secret_file == tmp_path / "secret"
    assert flags.openfeature is not None
    assert (flags.openfeature.is_remote, flags.openfeature.timeout) == (True, 0.02)
    assert flags.openfeature.attributes == ("header:x-plan", "client")
    assert [each.operator for each in route.rules[0].when] == [
        ("equals", "a"),
        ("in", ("pro", 5, True)),
        ("prefix", "p"),
        ("suffix", "s"),
        ("contains", "u"),
        ("regex", "curl/.*"),
        ("semver", ">=2.1.0, <3.0.0-rc.1"),
        ("below", 5),
        ("at_most", 5.5),
        ("above", -1),
        ("at_least", 0),
        ("exists", False),
        ("network", ("10.0.0.0/8", "2001:db8::/32")),
    ]


def test_the_state_is_beside_the_configuration(tmp_path: Path) -> None:
    """Nothing has to be said; in Python it is in the working directory."""
    path = tmp_path / "forst.toml"
    path.write_text("", encoding="utf-8")
    assert load(path).flags.state == tmp_path / ".forst" / "flags.json"
    assert Config().flags.state == FlagsConfig().state == Path.cwd() / ".forst" / "flags.json"


def test_models_built_in_python_are_checked_across_as_well() -> None:
    """Rules and conditions that are objects count like tables."""
    condition = ConditionConfig(key="path:other", in_=["a"])
    rule = RuleConfig(name="some", when=[condition], mode="canary", percent=5)
    with pytest.raises(ConfigError) as caught:
        RouteConfig(id="a", path="/a/{id}", rules=[rule])
    assert [(mistake.key, mistake.problem) for mistake in caught.value.mistakes] == [
        ("RouteConfig.stick", "is missing"),
        ("RouteConfig.rules[0].when[0].key", 'the path "/a/{id}" has no parameter "other"'),
    ]


HALF = "\ud800"


@pytest.mark.parametrize(
    ("route", "key"),
    [
        ({"salt": HALF}, "RouteConfig.salt"),
        ({"stick": f"query:{HALF}"}, "RouteConfig.stick"),
        (
            {"rules": [{"name": "a", "mode": "on", "when": [{"key": f"query:{HALF}", "exists": True}]}]},
            "RouteConfig.rules[0].when[0].key",
        ),
    ],
)
def test_half_a_character_is_refused(route: Any, key: str) -> None:
    """No file can hold one, but Python can, and nothing of a request could ever be it."""
    with pytest.raises(ConfigError) as caught:
        RouteConfig(id="a", path="/a", **route)
    assert [mistake.key for mistake in caught.value.mistakes] == [key]


def test_a_path_that_the_system_cannot_take_is_refused() -> None:
    """Not only when it is used."""
    with pytest.raises(ConfigError, match="expected a path"):
        FlagsConfig(state=f"/tmp/{HALF}")


def test_networks_are_freed_of_their_wrapping() -> None:
    """IPv4 written as IPv6 means the same addresses, which come without it."""
    condition = ConditionConfig(key="client", network=["::ffff:10.0.0.0/104", "::ffff:192.0.2.1", "::/0"])
    assert condition.network == ("10.0.0.0/8", "192.0.2.1/32", "::/0")


def test_conditions_on_numbers_of_the_path_may_be_built_in_python() -> None:
    """They are checked against the path as those of a file are."""
    rule = RuleConfig(name="some", when=[ConditionConfig(key="path:id", in_=["5"])], mode="on")
    with pytest.raises(ConfigError, match="a parameter of the kind int is a number"):
        RouteConfig(id="a", path="/a/{id:int}", rules=[rule])
    rule = RuleConfig(name="some", when=[ConditionConfig(key="path:id", equals=5)], mode="on")
    assert RouteConfig(id="a", path="/a/{id:int}", rules=[rule]).rules == (rule,)


def test_a_pattern_has_a_length() -> None:
    """What nobody can read is refused, and not repeated."""
    with pytest.raises(ConfigError, match=f"regex: is longer than {LONGEST_PATTERN} characters"):
        ConditionConfig(key="header:a", regex="a" * (LONGEST_PATTERN + 1))


def test_patterns_need_their_package() -> None:
    """The message says what to install."""
    with pytest.raises(PydanticCustomError, match=r"pip install 'forst-asgi\[regex\]'"):
        engine("re2_is_not_there")


def test_testers_need_something_to_prove_themselves() -> None:
    """An override table says whose header counts, and names one secret at most."""
    with pytest.raises(ConfigError, match='expected "secret_env", "secret_file" or "unsigned_from"'):
        OverrideConfig()
    with pytest.raises(ConfigError, match='"secret_file" and "secret_env" exclude each other'):
        OverrideConfig(secret_env="A", secret_file="b")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("shop.flags.context", 'did you mean "shop.flags:context"'), ("none", "expected")],
)
def test_a_context_is_a_callable(name: str, suggestion: str) -> None:
    """It is written as `package.module:callable`."""
    with pytest.raises(ConfigError, match=suggestion):
        FlagsConfig(context=name)


def test_a_flag_system_may_be_asked_without_further_words() -> None:
    """All its keys have defaults."""
    found = OpenFeatureConfig()
    assert (found.domain, found.is_remote, found.timeout, found.attributes) == (None, False, 0.005, ())
