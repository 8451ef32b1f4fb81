"""How long a text may be that a template is matched with, so that no request costs much.

Regular expressions try every way to divide a text among the parameters. `{owner}-{repo}.git` can be cut at
every hyphen, and for each cut the rest is searched for the end: twice the text is four times the work. A
parameter that can end in one place only costs nothing of the kind: between slashes, or `{year:int}` between
characters that are no digits. How many others there are decides.
"""

from collections.abc import Sequence
from typing import Final

from starlette.convertors import (
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)

_LONGEST: Final = (None, None, 1024, 256, 96, 48, 32)
"""By the number of parameters that can end in many places; the last one holds for more, too."""

_DIGITS: Final = "0123456789"
_ALPHABETS: Final = {IntegerConvertor.regex: _DIGITS, FloatConvertor.regex: f"{_DIGITS}."}


def longest_text(literals: Sequence[str], convertors: Sequence[str], *, is_segment: bool) -> int | None:
    """Return how many characters a text may have to be matched with a template; None for any number.

    Args:
        literals: the literal texts in front of, between and after the parameters; one more than those.
        convertors: the parameters' regular expressions.
        is_segment: whether the text is a segment, and so has no slash in it.
    """
    count = sum(
        not _ends_in_one_place(literals, place, regex, is_segment=is_segment)
        for place, regex in enumerate(convertors)
    )
    return _LONGEST[min(count, len(_LONGEST) - 1)]


def _ends_in_one_place(literals: Sequence[str], place: int, regex: str, *, is_segment: bool) -> bool:
    before, after = literals[place][-1:], literals[place + 1][:1]
    is_last = not after and place + 2 == len(literals)
    if regex == UUIDConvertor.regex:
        return True
    if is_last and (regex == PathConvertor.regex or (regex == StringConvertor.regex and is_segment)):
        return True  # it takes whatever is left
    if not place and not before:
        before = "/"
    return _stops_at(regex, before) and (is_last or _stops_at(regex, after))


def _stops_at(regex: str, character: str) -> bool:
    """Whether there is such a character and the parameter cannot match it."""
    if regex == StringConvertor.regex:
        return character == "/"
    return bool(character) and regex in _ALPHABETS and character not in _ALPHABETS[regex]
