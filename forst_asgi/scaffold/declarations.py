"""Go declarations before they are text."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "string", "int", "float", "bool", "list", "map", "struct", "enum", "text", "raw", "any"
]
"""What a value is: "text" is a string with a meaning (a time, a UUID), "raw" undecoded JSON."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a schema is in Go.

    Attributes:
        go: the type.
        kind: what it is, for defaults.
        rules: what goes into the forst tag.
        pattern: what goes into the pattern tag.
        notes: what Go cannot say, for a comment.
        is_nullable: whether null may stand there; the type is a pointer then.
    """

    go: str
    kind: Kind
    rules: tuple[str, ...] = ()
    pattern: str | None = None
    notes: tuple[str, ...] = ()
    is_nullable: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct.

    Attributes:
        name: in Go.
        go: its type.
        source: the tag that says where it comes from: "json", "path", "query", ...
        wire: its name there, with options.
        rules: what goes into the forst tag.
        pattern: what goes into the pattern tag.
        doc: lines of comment.
    """

    name: str
    go: str
    source: str
    wire: str
    rules: tuple[str, ...] = ()
    pattern: str | None = None
    doc: tuple[str, ...] = ()


@dataclass(slots=True)
class Struct:
    """A struct.

    Attributes:
        name: in Go.
        doc: lines of comment.
        manners: the forst tag of the whole, "" for none.
        fields: in the order of the schema.
        defaults: what SetDefaults assigns: fields and expressions.
    """

    name: str
    doc: tuple[str, ...] = ()
    manners: str = ""
    fields: list[Field] = field(default_factory=list)
    defaults: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Enum:
    """A type with a fixed set of values.

    Attributes:
        name: in Go.
        base: "string" or "int".
        members: constants and their literals.
        doc: lines of comment.
    """

    name: str
    base: str
    members: tuple[tuple[str, str], ...]
    doc: tuple[str, ...] = ()

    def constant(self, literal: str) -> str | None:
        """Return the constant for a literal."""
        return next((name for name, value in self.members if value == literal), None)


Declaration: TypeAlias = Struct | Enum
