"""What was worked out lately, so that it need not be worked out again."""

import pytest

from forst_asgi.recall import Recall


def test_what_is_in_it_is_made_once() -> None:
    """A key's value is made when it is asked for first."""
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return -key

    recall = Recall(make, 3)
    assert [recall[key] for key in (1, 2, 1, 2)] == [-1, -2, -1, -2]
    assert made == [1, 2]


def test_it_does_not_grow() -> None:
    """When it is full it begins anew, so that there is room for what is asked for now."""
    recall = Recall(str, 3)
    for key in range(100):
        assert recall[key] == str(key)
        assert recall[7] == "7"
        assert len(recall) <= 3


def test_what_cannot_be_made_is_not_remembered() -> None:
    """What the function raises is raised, each time."""
    recall = Recall(int, 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            recall["x"]
    assert not recall
