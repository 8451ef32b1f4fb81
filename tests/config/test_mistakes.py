"""What a user reads who got something wrong: a wide table of mistakes, each with its exact words."""

import pickle
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forst_asgi.config import (
    ConditionConfig,
    Config,
    ConfigError,
    FlagsConfig,
    LogsConfig,
    OpenFeatureConfig,
    OverrideConfig,
    RouteConfig,
    RuleConfig,
    TlsConfig,
    UpstreamConfig,
    load,
)
from forst_asgi.config.diagnostics import MAX_SHOWN, key_text, shown
from forst_asgi.config.table import Table
from forst_asgi.errors import Mistake

Refused: TypeAlias = Callable[[str], list[str]]

SIDECAR = '[sidecar]\naddress = "http://h:1"\n'
ROUTE = f'{SIDECAR}[[route]]\nid = "a"\npath = "/a/{{id}}"\n'


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Return a function that loads a text and returns its mistakes, without the folder of the file."""
    path = tmp_path / "forst.toml"

    def mistakes(text: str) -> list[str]:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == "\n".join(map(str, caught.value.mistakes))
        return [str(mistake).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]

    return mistakes


def _cases() -> list[tuple[str, list[str]]]:
    """Return the configurations of mistakes.txt and what is said about each."""
    _, *cases = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").split("----\n")
    lines = [case.strip().splitlines() for case in cases]
    return [
        (
            "\n".join(line for line in case if not line.startswith("> ")),
            [line.removeprefix("> ") for line in case if line.startswith("> ")],
        )
        for case in lines
    ]


@pytest.mark.parametrize(("text", "said"), _cases())
def test_mistakes_are_said_in_plain_words(refused: Refused, text: str, said: list[str]) -> None:
    """Each mistake names its line, its key, its value where that helps, and what was expected."""
    assert refused(text) == said


def test_every_mistake_is_told_at_once(refused: Refused) -> None:
    """Mistakes of single keys and across keys come together, in the order of their lines."""
    text = """\
        [sidecar]
        adress = "http://h:1"
        max_pending = -1

        [[route]]
        id = "a"
        path = "/a"
        timeout = 5

        [[route]]
        id = "a"
        path = "b"
        upstream = "serach"
    """
    assert [mistake.split(": ")[:2] for mistake in refused(dedent(text))] == [
        ["forst.toml:2", "sidecar.adress"],
        ["forst.toml:3", "sidecar.max_pending = -1"],
        ["forst.toml:8", "route[0].timeout = 5"],
        ["forst.toml:11", 'route[1].id = "a"'],
        ["forst.toml:12", 'route[1].path = "b"'],
        ["forst.toml:13", "route[1].upstream"],
    ]


@pytest.mark.parametrize(
    "line",
    [
        'env = "hunter2"',
        'env = ["hunter2"]',
        'env = { "a b" = "hunter2" }',
        'env = { A = ["hunter2"] }',
        'env = { A = "hunter2\\u0000" }',
        'evn = { A = "hunter2" }',
        'env.A.B = "hunter2"',
        'address = "http://u:hunter2@h"',
    ],
)
def test_secrets_are_not_repeated(refused: Refused, line: str) -> None:
    """Whatever is wrong with the environment or with credentials, their values stay out of the text."""
    told = "\n".join(refused(f'[sidecar]\ncommand = ["x"]\n{line}'))
    assert "sidecar." in told
    assert "hunter2" not in told


def test_the_value_of_a_secret_header_is_not_repeated(refused: Refused) -> None:
    """A predicate on a header that sounds like a secret is not shown, another one is."""
    told = refused(f'{ROUTE}headers = {{ x-api-token = " hunter2", x-version = " 2" }}')
    assert ["…" in told[0], "hunter2" in told[0], '" 2"' in told[1]] == [True, False, True]


def test_mistakes_in_pyproject_have_the_lines_and_keys_of_that_file(tmp_path: Path) -> None:
    """In pyproject.toml the key is shown as it stands there, below tool.forst."""
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n\n[tool.forst.sidecar]\nadress = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f'{path}:5: tool.forst.sidecar.adress: unknown key, did you mean "address"?'


def test_mistakes_in_python_name_the_model_and_the_attribute() -> None:
    """Models built in Python raise the same ConfigError, under the names that Python code uses."""
    with pytest.raises(ConfigError) as caught:
        Config(routes=[{"id": "a", "path": "a"}], sidecar={"address": "http://h:1"})
    assert str(caught.value) == (
        '<python>: Config.routes[0].path = "a": expected a path that starts with "/", did you mean "/a"?'
    )
    assert caught.value.mistakes[0].line is None
    with pytest.raises(ConfigError, match=r"^<python>: RouteConfig.timeout = 5: expected a duration"):
        RouteConfig(id="a", path="/a", timeout=5)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigError, match=r"^<python>: UpstreamConfig: expected an \"address\" to connect"):
        UpstreamConfig()
    with pytest.raises(ConfigError, match=r"^<python>: Config.routes: there is nothing to forward to"):
        Config(routes=[RouteConfig(id="a", path="/a")])


def test_python_objects_are_checked_across_like_tables() -> None:
    """Checks across keys look into models as into tables."""
    with pytest.raises(ConfigError, match=r'Config.routes\[1\].id = "a": route\[0\] has this id already'):
        Config(sidecar={"address": "http://h:1"}, routes=[RouteConfig(id="a", path="/a")] * 2)


def test_a_mistake_is_plain_data() -> None:
    """A mistake has its parts as attributes, and the error survives pickling, as logs and pools need it."""
    with pytest.raises(ConfigError) as caught:
        RouteConfig(id="A", path="/a")
    assert caught.value.mistakes == (
        Mistake(
            file="<python>",
            line=None,
            column=None,
            key="RouteConfig.id",
            value='"A"',
            problem="",
            expected='lower-case letters, digits, "-" and "_", beginning with a letter or digit',
            suggestion="a",
        ),
    )
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.mistakes, str(copy)) == (caught.value.mistakes, str(caught.value))


def test_long_values_are_shortened() -> None:
    """A value takes no more than its share of the line."""
    assert len(shown("x" * 500)) == MAX_SHOWN
    assert shown("x" * 500).endswith("…")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\n", '"a\\n"'),
        ("a\x7f\u2028", '"a\\x7f\\u2028"'),
        (True, "true"),
        (1.5, "1.5"),
        (["a", 1], '["a", 1]'),
        ({"a": 1}, "{…}"),
        (b"x", "b'x'"),
        (2**64, "0x10000000000000000"),
    ],
)
def test_values_are_shown_as_toml_has_them(value: object, text: str) -> None:
    """Control characters are escaped; tables are not spread out."""
    assert shown(value) == text


def test_keys_are_shown_as_toml_has_them() -> None:
    """Indexes stand in brackets, odd keys in quotes."""
    assert key_text(("route", 2, "headers", "x y")) == 'route[2].headers."x y"'


class _Numbers(Table):
    limit: float


def test_an_error_that_has_no_words_of_its_own_keeps_those_of_pydantic(tmp_path: Path) -> None:
    """A kind of mistake that nobody foresaw is still reported with its place."""
    with pytest.raises(ConfigError, match=r'_Numbers.limit = "x": Input should be a valid number'):
        _Numbers(limit="x")  # type: ignore[arg-type]  # the mistake under test


_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["5s", "/a", "auto", "http://h:1", "https://h", "unix:s", "sidecar", "GET", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def _tables(model: type[Table], **known: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Return tables that have some of the keys of a model, each with just anything."""
    keys = {name: known.get(name, _ANYTHING) for name in model.model_fields}
    return st.fixed_dictionaries({}, optional={**keys, "unknown": _ANYTHING}) | _ANYTHING


_UPSTREAMS = _tables(UpstreamConfig, tls=_tables(TlsConfig))
_RULES = _tables(RuleConfig, when=st.lists(_tables(ConditionConfig), max_size=2) | _ANYTHING)
_ROUTES = _tables(RouteConfig, rules=st.lists(_RULES, max_size=2) | _ANYTHING)
_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "sidecar": _UPSTREAMS,
        "upstreams": st.dictionaries(st.text(max_size=8), _UPSTREAMS, max_size=2) | _ANYTHING,
        "routes": st.lists(_ROUTES, max_size=3) | _ANYTHING,
        "flags": _tables(
            FlagsConfig, override=_tables(OverrideConfig), openfeature=_tables(OpenFeatureConfig)
        ),
        "trusted_proxies": _ANYTHING,
        "logs": _tables(LogsConfig),
    },
)


@settings(deadline=None)
@given(_CONFIGS)
def test_whatever_is_written_is_taken_or_refused_in_words(written: dict[str, Any]) -> None:
    """No value of any type at any key brings another error than a ConfigError, one line for each mistake."""
    told = ["taken"]
    try:
        Config(**written)
    except ConfigError as error:
        told = [str(mistake) for mistake in error.mistakes]
    assert told
    assert all(line.isprintable() for line in told)
