"""x"""


def demo() -> None:
    """d."""
