"""The configuration reference in Markdown, made from the models so that it cannot disagree with them.

`python -m forst_asgi.config.reference > docs/configuration.md` rewrites the checked-in page.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from forst_asgi.config.address import ADDRESS_PATTERN
from forst_asgi.config.findings import either
from forst_asgi.config.prose import INTRODUCTION
from forst_asgi.config.schema import json_schema
from forst_asgi.config.units import DURATION_PATTERN, SIZE_PATTERN

COMMAND: Final = "python -m forst_asgi.config.reference > docs/configuration.md"

_BY_PATTERN: Final = {DURATION_PATTERN: "duration", SIZE_PATTERN: "size", ADDRESS_PATTERN: "address"}
_BY_TYPE: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "table of texts",
}
_SECTIONS: Final = (
    ("The top of the file", "", "", ("trusted_proxies",)),
    ("Logs", "logs", "LogsConfig", None),
    ("The sidecar and other upstreams", "sidecar", "UpstreamConfig", None),
    ("TLS to an upstream", "sidecar.tls", "TlsConfig", None),
    ("Routes", "route", "RouteConfig", None),
    ("Rules of a route", "route.rule", "RuleConfig", None),
    ("Conditions of a rule", "route.rule.when", "ConditionConfig", None),
    ("Flags", "flags", "FlagsConfig", None),
    ("Testers", "flags.override", "OverrideConfig", None),
    ("OpenFeature", "flags.openfeature", "OpenFeatureConfig", None),
    ("Reading the file again", "reload", "ReloadConfig", None),
)
"""Heading, the table's name in the file, its definition in the schema, its keys (None: all)."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the overview tells of a key."""

    name: str
    type: str
    default: str

    @classmethod
    def of(cls, table: str, key: str, schema: Mapping[str, Any], *, is_required: bool) -> Self:
        name = f"{table}.{key}" if table else key
        return cls(name, _type(schema), _default(schema, is_required=is_required))

    @property
    def anchor(self) -> str:
        """Where the heading of the key is, as site generators and forges make it of the name."""
        return self.name.replace(".", "")


def reference() -> str:
    """Return the whole page."""
    schema = json_schema()
    parts = [INTRODUCTION]
    for heading, table, definition, keys in _SECTIONS:
        model = schema["definitions"][definition] if definition else schema
        parts.append(_section(heading, table, model, keys))
    return "\n".join(parts)


def _section(heading: str, table: str, model: Mapping[str, Any], keys: tuple[str, ...] | None) -> str:
    required = model.get("required", ())
    chosen = {key: each for key, each in model["properties"].items() if keys is None or key in keys}
    facts = {key: _Facts.of(table, key, each, is_required=key in required) for key, each in chosen.items()}
    opening = [f"## {heading}", *_introduced(table, model), _overview(facts)]
    return "\n\n".join([*opening, *(_described(facts[key], each) for key, each in chosen.items())]) + "\n"


def _introduced(table: str, model: Mapping[str, Any]) -> Iterator[str]:
    if table == "route.rule.when":
        yield 'Each one is a table in the list `when`: `{ key = "header:x-team", in = ["checkout"] }`.'
    elif table.startswith("route"):
        yield f"Each one is a table `[[{table}]]`, with two brackets."
    elif table.startswith("sidecar"):
        further = table.replace("sidecar", "upstream.<name>")
        yield f"The table `[{table}]`, and the same keys again in `[{further}]` for each further upstream."
    elif table:
        yield f"The table `[{table}]`."
    if table:
        yield str(model["description"])


def _overview(facts: Mapping[str, _Facts]) -> str:
    rows = [
        f"| [`{key}`](#{each.anchor}) | {each.type} | {each.default.removeprefix('default ')} |"
        for key, each in facts.items()
    ]
    return "\n".join(["| Key | Type | Default |", "| --- | --- | --- |", *rows])


def _described(facts: _Facts, schema: Mapping[str, Any]) -> str:
    examples = " or ".join(f"`{_toml(example)}`" for example in schema.get("examples", ()))
    line = f"*{facts.type}{', ' if facts.default else ''}{facts.default}*"
    text = f"### `{facts.name}`\n\n{line}\n\n{schema['description']}"
    return f"{text}\n\nFor example {examples}." if examples else text


def _type(schema: Mapping[str, Any]) -> str:
    if "allOf" in schema or "$ref" in schema:
        return "table"
    if "enum" in schema:
        return either(schema["enum"]).replace('"', "`")
    if "anyOf" in schema:
        return _choice(schema["anyOf"])
    if schema["type"] == "array":
        word = _type(schema["items"])
        return f"list of {word}s" if word.isalpha() else f"list, each {word}"
    return _BY_PATTERN.get(schema.get("pattern", ""), _BY_TYPE[schema["type"]])


def _choice(choices: list[Mapping[str, Any]]) -> str:
    words = [_type(choice) for choice in choices]
    return "size" if "size" in words else " or ".join(words)


def _default(schema: Mapping[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "required"
    return f"default `{_toml(schema['default'])}`" if "default" in schema else ""


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(reference())


if __name__ == "__main__":  # pragma: no cover - the tests call main()
    main()
