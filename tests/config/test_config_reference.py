"""The configuration reference page."""

import re
from pathlib import Path

import pytest

from forst_asgi.config import (
    ConditionConfig,
    Config,
    FlagsConfig,
    LogsConfig,
    OpenFeatureConfig,
    OverrideConfig,
    ReloadConfig,
    RouteConfig,
    RuleConfig,
    TlsConfig,
    UpstreamConfig,
    load,
)
from forst_asgi.config.reference import COMMAND, main, reference
from forst_asgi.config.table import Table

PAGE = Path(__file__).parents[2] / "docs/configuration.md"


def test_the_checked_in_page_is_up_to_date() -> None:
    """The page in docs/ is what the models give."""
    assert PAGE.read_text(encoding="utf-8") == reference(), f"rewrite it: {COMMAND}"


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Running the module writes the page to standard output."""
    main()
    assert capsys.readouterr().out == reference()


def test_every_key_has_its_place() -> None:
    """Each key of each table has a heading, and no heading is without its key."""
    tables: dict[str, type[Table]]
    tables = {
        "logs": LogsConfig,
        "sidecar": UpstreamConfig,
        "sidecar.tls": TlsConfig,
        "route": RouteConfig,
        "route.rule": RuleConfig,
        "route.rule.when": ConditionConfig,
        "flags": FlagsConfig,
        "flags.override": OverrideConfig,
        "flags.openfeature": OpenFeatureConfig,
        "reload": ReloadConfig,
    }
    keys = {
        f"{table}.{field.alias or key}"
        for table, model in tables.items()
        for key, field in model.model_fields.items()
    }
    assert set(re.findall(r"^### `(.+)`$", reference(), re.MULTILINE)) == keys | {"trusted_proxies"}


def test_every_link_has_its_heading() -> None:
    """The overviews link to headings that are there."""
    headings = {
        heading.replace(".", "") for heading in re.findall(r"^### `(.+)`$", reference(), re.MULTILINE)
    }
    assert set(re.findall(r"\(#([^)]+)\)", reference())) == headings


def test_types_defaults_and_examples_are_told() -> None:
    """A key is described in the words and the spelling of the file."""
    page = reference()
    assert '| [`idle_timeout`](#sidecaridle_timeout) | duration | `"5m"` |' in page
    assert "| [`path`](#routepath) | text | required |" in page
    assert "### `route.max_body`\n\n*size*\n\n" in page
    assert "### `sidecar.tls.verify`\n\n*`true` or `false`, default `true`*\n\n" in page
    assert "### `route.host`\n\n*text or list of texts*\n\n" in page
    assert 'For example `{ LOG_LEVEL = "info" }`.' in page


def test_the_examples_on_the_page_work(tmp_path: Path) -> None:
    """The file at the top of the page can be loaded, and the Python code runs."""
    example, *_ = re.findall(r"```toml\n(.*?)```", reference(), re.DOTALL)
    path = tmp_path / "forst.toml"
    path.write_text(example, encoding="utf-8")
    assert [route.id for route in load(path).routes] == ["calculate", "find"]
    names: dict[str, object] = {}
    exec(re.findall(r"```python\n(.*?)```", reference(), re.DOTALL)[0], names)
    assert isinstance(names["config"], Config)
