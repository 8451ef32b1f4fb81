"""Finding the file, and files that cannot be used at all."""

from pathlib import Path
from typing import Any

import pytest

from forst_asgi.config import Config, ConfigError, UpstreamConfig, load

GOOD = '[sidecar]\naddress = "http://127.0.0.1:9000"\n'


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(path: Path | str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


def test_a_config_is_returned_as_it_is() -> None:
    """What was built in Python needs no file."""
    config = Config()
    assert load(config) is config


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"sidecar": {}}, "not dict; Config.model_validate makes one of it"),
        (5, "not int"),
        (b"forst.toml", "not bytes"),
    ],
)
def test_what_is_no_configuration_is_refused(source: Any, said: str) -> None:
    """Whatever else is given as a configuration is a mistake like any other in it."""
    with pytest.raises(ConfigError, match=f"expected the path of a file, or a Config, {said}$"):
        load(source)


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    """A path is loaded whatever its name is, given as text or as a path."""
    path = _write(tmp_path / "other.conf", GOOD)
    assert load(path) == load(str(path))
    assert load(path).source == str(path)


def test_an_empty_file_is_an_empty_configuration(tmp_path: Path) -> None:
    """Nothing written is nothing forwarded."""
    assert load(_write(tmp_path / "forst.toml", "")).routes == ()


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Some editors begin a file with one."""
    path = tmp_path / "forst.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(path).sidecar is not None


@pytest.mark.parametrize("folder", [".", "a", "a/b"])
def test_the_file_is_looked_for_upwards(tmp_path: Path, folder: str) -> None:
    """forst.toml is found in the folder where the search begins and in every one above it."""
    path = _write(tmp_path / "forst.toml", GOOD)
    start = tmp_path / folder
    start.mkdir(parents=True, exist_ok=True)
    assert load(start=start).source == str(path)


def test_pyproject_is_looked_for_as_well(tmp_path: Path) -> None:
    """A pyproject.toml counts if it has a table tool.forst, and forst.toml beside it comes first."""
    pyproject = _write(tmp_path / "a/pyproject.toml", GOOD.replace("[", "[tool.forst."))
    _write(tmp_path / "forst.toml", GOOD)
    assert load(start=tmp_path / "a").source == str(pyproject)
    beside = _write(tmp_path / "a/forst.toml", GOOD)
    assert load(start=tmp_path / "a").source == str(beside)


@pytest.mark.parametrize(
    "text",
    [
        "[project]\nname = 'x'\n",
        "[project]\nname = 'forst-shop'\n",
        "tool = 'forst'\n",
        "[tool]\nother = 'forst'\n",
        "this is not TOML",
    ],
)
def test_a_pyproject_of_somebody_else_is_passed_over(tmp_path: Path, text: str) -> None:
    """Without a table tool.forst the search goes on, even where the file does not interest us at all."""
    _write(tmp_path / "a/pyproject.toml", text)
    path = _write(tmp_path / "forst.toml", GOOD)
    assert load(start=tmp_path / "a").source == str(path)


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    """Wherever the app was started, a relative path means the same file."""
    path = _write(tmp_path / "a/forst.toml", '[sidecar]\naddress = "unix:run/s.sock"\n')
    address = load(path).upstream("sidecar").address
    assert address is not None
    assert address.path == str(tmp_path / "a/run/s.sock")


def test_a_file_in_the_working_directory_is_named_shortly() -> None:
    """A path is shown relative to the working directory if it is below it."""
    whole = Path("tests/config/no-such.toml").absolute()
    assert _refusal(whole) == f"{whole.relative_to(Path.cwd())}: there is no such file"


def test_nothing_found_says_where_and_what(tmp_path: Path) -> None:
    """The error lists every place that was looked at and shows a file to begin with."""
    start = tmp_path / "a"
    start.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(start=start)
    told = str(caught.value)
    assert [
        f"  {folder / 'forst.toml'}\n  {folder / 'pyproject.toml'}" in told for folder in (start, tmp_path)
    ]
    example = told.partition("A minimal configuration:\n\n")[2]
    assert load(_write(tmp_path / "forst.toml", example)).routes[0].id == "calculate"


def test_where_nobody_can_look_the_search_goes_on(tmp_path: Path) -> None:
    """A folder that cannot be searched has no configuration for us; if none is found, it is told why."""
    start = tmp_path / ("x" * 300)
    _write(tmp_path / "pyproject.toml", "[project]\nname = 'x'\n")
    with pytest.raises(ConfigError) as caught:
        load(start=start)
    told = str(caught.value)
    assert f"{start}/forst.toml (file name too long)\n" in told
    assert f"{tmp_path}/forst.toml\n  {tmp_path}/pyproject.toml\n" in told
    _write(tmp_path / "forst.toml", GOOD)
    assert load(start=start).source == str(tmp_path / "forst.toml")


def test_a_file_of_somebody_who_has_no_home() -> None:
    """`~somebody` is what it is to a shell, or a mistake."""
    assert (
        _refusal("~nobody-of-that-name/a.toml") == "~nobody-of-that-name/a.toml: there is no such home folder"
    )


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is relative to it any more, and that is what is said."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for way in (load, lambda: load("forst.toml"), lambda: UpstreamConfig(socket="s")):
        with pytest.raises(ConfigError, match=r"^the working directory is gone; expected to be started in"):
            way()
    path = _write(tmp_path / "forst.toml", GOOD)
    assert load(path).source == str(path)


def test_a_pyproject_without_our_table_shows_one(tmp_path: Path) -> None:
    """Named explicitly, a pyproject.toml must have the table; the example fits into that file."""
    path = _write(tmp_path / "pyproject.toml", "[project]\nname = 'x'\n")
    told = _refusal(path)
    assert told.startswith(f"{path}: there is no table [tool.forst] in it\n")
    _write(path, told.partition("A minimal configuration:\n\n")[2])
    assert load(path).routes[0].id == "calculate"


def test_tool_forst_must_be_a_table(tmp_path: Path) -> None:
    """Something else of that name is a mistake at its line."""
    path = _write(tmp_path / "pyproject.toml", "[tool]\nforst = 1\n")
    assert _refusal(path) == f"{path}:2: tool.forst = 1: expected a table"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """Whoever names a folder is told to name the file."""
    assert _refusal(tmp_path) == f'{tmp_path}: is a folder, expected a file such as "{tmp_path}/forst.toml"'


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The operating system's reason is passed on: here, a file that is taken for a folder."""
    path = _write(tmp_path / "x", "") / "forst.toml"
    assert _refusal(path) == f"{path}: cannot be read: not a directory"
    assert _refusal("a\0b").endswith("cannot be read: embedded null byte")


def test_a_pyproject_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """The search does not stop at a folder that is called pyproject.toml."""
    (tmp_path / "a/pyproject.toml").mkdir(parents=True)
    path = _write(tmp_path / "forst.toml", GOOD)
    assert load(start=tmp_path / "a").source == str(path)


def test_a_file_must_be_utf_8(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is named by line and column."""
    path = tmp_path / "forst.toml"
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    assert _refusal(path) == f"{path}:2:6: is not UTF-8, expected text in UTF-8"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a = 1\nb = \n", ":2:5", "is not TOML: invalid value"),
        ("a = 1\n[b\n", ":2:3", "is not TOML: expected"),
        ("a = 1\na = 2\n", ":2:6", "is not TOML: cannot overwrite a value"),
        ("a = 1\nb = '''\n\n", ":2", "is not TOML: expected"),
        (f"a = {'9' * 5000}", "", "is not TOML: exceeds the limit"),
        (f"a = {'[' * 20_000}", "", "is nested too deeply"),
    ],
)
def test_a_file_must_be_toml(tmp_path: Path, text: str, place: str, said: str) -> None:
    """A mistake of syntax is named by line and column, as far as the parser tells."""
    path = _write(tmp_path / "forst.toml", text)
    assert _refusal(path).startswith(f"{path}{place}: {said}")
