"""The JSON Schema of forst.toml, with which editors complete keys and underline mistakes.

`python -m forst_asgi.config.schema` rewrites the checked-in file. The schema is written in draft-07 and
keeps to words that mean the same in draft-04, the draft that taplo (Even Better TOML) promises to
understand: `definitions`, nothing beside a `$ref`.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from forst_asgi.config.models import Config

SCHEMA_FILE: Final = Path(__file__).with_name("forst.schema.json")
COMMAND: Final = "python -m forst_asgi.config.schema"

_DIALECT: Final = "http://json-schema.org/draft-07/schema#"
_REF: Final = "$ref"
_NULL: Final = {"type": "null"}  # TOML has no null: a key is left out instead
_DROPPED: Final = {"title", "$defs", "propertyNames"}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of forst.toml, and of `[tool.forst]` in pyproject.toml."""
    whole = Config.model_json_schema(by_alias=True)
    tables = {name: _table(table) for name, table in sorted(whole["$defs"].items())}
    head = {"$schema": _DIALECT, "title": "The configuration of forst-asgi"}
    return {**head, **_table(whole), "definitions": tables}


def schema_text() -> str:
    """Return the text of the schema file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main(target: Path = SCHEMA_FILE) -> None:
    """Rewrite the checked-in schema, or write it elsewhere."""
    target.write_text(schema_text(), encoding="utf-8")
    sys.stdout.write(f"wrote {target}\n")


def _table(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of one table in the words of the older dialect."""
    kept = {word: value for word, value in schema.items() if word not in _DROPPED}
    kept["description"] = kept["description"].replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
    kept["properties"] = {key: _property(value) for key, value in kept["properties"].items()}
    return kept


def _property(schema: Mapping[str, Any]) -> dict[str, Any]:
    plain = _without_null({word: _value(value) for word, value in schema.items() if word not in _DROPPED})
    if plain.get("default") in (None, []) or isinstance(plain["default"], dict):
        plain.pop("default", None)
    if _REF in plain and len(plain) > 1:
        plain["allOf"] = [{_REF: plain.pop(_REF)}]
    return dict(sorted(plain.items(), key=lambda item: item[0] != "description"))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `{"anyOf": [x, null], ...}` as `{**x, ...}`."""
    if "anyOf" not in schema:
        return schema
    choices = [choice for choice in _flat(schema["anyOf"]) if choice != _NULL]
    rest = {word: value for word, value in schema.items() if word != "anyOf"}
    return {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), **rest}


def _flat(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the choices with those of choices, which some versions of pydantic nest, among them."""
    return [each for choice in choices for each in choice.get("anyOf", [choice])]


def _value(value: object) -> object:
    if isinstance(value, str):
        return value.replace("#/$defs/", "#/definitions/")
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {word: _value(each) for word, each in value.items() if word not in _DROPPED}
    return value


if __name__ == "__main__":  # pragma: no cover - the tests call main()
    main()
