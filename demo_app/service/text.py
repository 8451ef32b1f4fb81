"""Rules for text that both sides share to the letter.

They look at ASCII only: which letter is the upper case of another is a matter of language and of the
version of Unicode, and two runtimes seldom have the same.
"""

import string

SPACE = " \t\n\v\f\r"

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def trim(text: str) -> str:
    """Return the text without ASCII white space around it."""
    return text.strip(SPACE)


def ascii_lower(text: str) -> str:
    """Return the text with A to Z in lower case."""
    return text.translate(_LOWER)


def ascii_upper(text: str) -> str:
    """Return the text with a to z in upper case."""
    return text.translate(_UPPER)
