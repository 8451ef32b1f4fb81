"""Go text as gofmt has it, so that no Go toolchain is needed to write it.

gofmt puts names, types and tags of consecutive lines under each other; a line of comment between two
fields ends such a block.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from forst_asgi.scaffold import literals
from forst_asgi.scaffold.declarations import Declaration, Enum, Field, Struct


def declaration(made: Declaration) -> str:
    """Return the text of a declaration, with its methods."""
    return _enum(made) if isinstance(made, Enum) else struct(made)


def comment(lines: Iterable[str], indent: str = "") -> str:
    """Return lines of comment."""
    return "".join(f"{indent}// {line}".rstrip() + "\n" for line in lines)


def struct(made: Struct) -> str:
    """Return the text of a struct, and of its SetDefaults."""
    text = comment(_named(made.name, made.doc))
    if not made.fields and not made.manners:
        return text + f"type {made.name} struct{{}}\n"
    rows = [_row(field) for field in made.fields]
    if made.manners:
        rows.insert(0, ((), ("_", "struct{}", f'`forst:"{made.manners}"`')))
    text += f"type {made.name} struct {{\n" + "".join(_aligned(rows)) + "}\n"
    return text + _defaults(made)


def _named(name: str, doc: Sequence[str]) -> list[str]:
    """Return a doc comment that begins with the name, as Go wants it."""
    if not doc:
        return [f"{name} is described by the app's OpenAPI."]
    first, *rest = doc
    return [first if first.startswith(name) else f"{name}: {first}", *rest]


def _row(field: Field) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tags = [f"{field.source}:{literals.text(field.wire)}"]
    if field.rules:
        tags.append(f'forst:"{",".join(field.rules)}"')
    if field.pattern is not None:
        tags.append(f"pattern:{literals.text(field.pattern)}")
    return field.doc, (field.name, field.go, f"`{' '.join(tags)}`")


def _aligned(rows: Iterable[tuple[tuple[str, ...], tuple[str, ...]]]) -> Iterator[str]:
    """Yield the lines of rows with comments; a row with a comment begins a new block."""
    number = 0
    numbered = []
    for doc, cells in rows:
        number += bool(doc)
        numbered.append((number, doc, cells))
    for _, block in groupby(numbered, key=lambda each: each[0]):
        listed = list(block)
        yield comment(listed[0][1], "\t")
        yield from columns([cells for _, _, cells in listed])


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines whose cells stand under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "\t" + " ".join(cells).rstrip() + "\n"


def _defaults(made: Struct) -> str:
    if not made.defaults:
        return ""
    receiver = made.name[0].lower()
    lines = "".join(f"\t{receiver}.{name} = {expression}\n" for name, expression in made.defaults)
    head = f"func ({receiver} *{made.name}) SetDefaults()"
    return f"\n// SetDefaults says what absent fields mean.\n{head} {{\n{lines}}}\n"


def _enum(made: Enum) -> str:
    rows = [(name, made.name, f"= {literal}") for name, literal in made.members]
    names = ", ".join(name for name, _ in made.members)
    return (
        comment(_named(made.name, made.doc))
        + f"type {made.name} {made.base}\n\nconst (\n{''.join(columns(rows))})\n\n"
        + f"// Choices lists the values; others are refused.\nfunc ({made.name}) Choices() []any {{\n"
        + f"\treturn []any{{{names}}}\n}}\n"
    )
