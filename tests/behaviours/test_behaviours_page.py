"""Each numbered behaviour has its tests, and the page that lists them is right."""

from pathlib import Path

import pytest

from tests.behaviours.items import ITEMS
from tests.behaviours.page import COMMAND, ROOT, Named, main, named_tests, page

PAGE = ROOT / "docs/behaviours.md"

KNOWN = range(1, 54)
"""Numbers from 46 on belong to supervision and reload; they are not on the page."""


@pytest.fixture(scope="module")
def named() -> list[Named]:
    """Every test of the repository that names a number."""
    return named_tests()


def test_every_behaviour_has_a_test_with_sockets_on_both_sides(named: list[Named]) -> None:
    """A client, a real server, a real upstream: no number is without such a test."""
    tested = {each.number for each in named if each.is_through}
    assert sorted(ITEMS.keys() - tested) == []


def test_every_number_is_known(named: list[Named]) -> None:
    """No test names a behaviour that there is not."""
    assert [each for each in named if each.number not in KNOWN] == []


def test_numbers_are_those_of_the_page() -> None:
    """The behaviours are numbered without a gap."""
    assert list(ITEMS) == list(range(1, 46))


def test_the_checked_in_page_of_behaviours_is_up_to_date(
    named: list[Named], capsys: pytest.CaptureFixture[str]
) -> None:
    """The page in docs/ is what the command prints."""
    main()
    assert capsys.readouterr().out == page(named)
    assert PAGE.read_text(encoding="utf-8") == page(named), f"rewrite it: {COMMAND}"


def test_names_and_markers_tell_numbers(tmp_path: Path) -> None:
    """A test may have its number in its name, several in its marker, or both; others have none."""
    folder = tmp_path / "tests/transport"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(
        "@pytest.mark.slow\n@pytest.mark.item(27, 28)\ndef test_a(): ...\n"
        "@pytest.mark.item(3)\n@cached\ndef test_item_04_b(): ...\n"
        "def test_c(): ...\n"
        "@pytest.mark.item(9)\ndef helper(): ...\n"
    )
    path = "tests/transport/test_it.py"
    assert named_tests(tmp_path) == [
        Named(27, path, "test_a"),
        Named(28, path, "test_a"),
        Named(3, path, "test_item_04_b"),
        Named(4, path, "test_item_04_b"),
    ]
    assert not any(each.is_through for each in named_tests(tmp_path))
