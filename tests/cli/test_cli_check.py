"""forst-asgi check."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forst_asgi.cli.inspection import importable

HEAD = '[sidecar]\ncommand = ["./bin/sidecar"]\n'


def _route(name: str, **keys: str) -> str:
    said = "".join(f'{key} = "{value}"\n' for key, value in {"path": f"/{name}", **keys}.items())
    return f'\n[[route]]\nid = "{name}"\n{said}'


def test_summary(command: Callable[..., Any], shop: Path) -> None:
    """A right configuration is summed up in one line, found from the working directory."""
    done = command("check", cwd=shop.parent)
    summary = "forst.toml: 3 routes (2 on, 1 off), 2 upstreams (sidecar, quotes), no mistakes\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, summary, "")


def test_empty(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """A file that says nothing is right as well."""
    config("")
    assert invoke("check").stdout == "forst.toml: 0 routes, 0 upstreams, no mistakes\n"


def test_a_forgotten_mode_shows(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """Where no request is forwarded at all, the summary says so; rules may forward what modes do not."""
    text = HEAD + _route("a", auth="none")
    config(text)
    assert invoke("check").stdout.startswith("forst.toml: 1 route (1 off: none is forwarded), 1 upstream")
    rule = '[[route.rule]]\nname = "r"\nmode = "on"\nwhen = [{ key = "client", exists = true }]\n'
    config(text + rule)
    assert invoke("check").stdout.startswith("forst.toml: 1 route (1 off), 1 upstream")


def test_a_route_without_auth_is_a_warning(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """Nobody checking requests is probably not meant; the line of the route is named."""
    config(HEAD + _route("a", mode="on"))
    result = invoke("check", "forst.toml")
    assert result.exit_code == 0
    assert result.stdout == "forst.toml: 1 route (1 on), 1 upstream (sidecar), 1 warning\n"
    assert result.stderr.startswith('forst.toml:5: warning: route "a" has no auth')


def test_an_unreachable_route_is_a_warning(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """A route that an earlier one covers is named together with that one."""
    config(HEAD + _route("a", path="/{rest:path}", auth="none") + _route("b", auth="none"))
    result = invoke("check")
    assert result.exit_code == 0
    assert 'forst.toml:10: warning: route "b" can never match: route "a" covers it' in result.stderr


def test_strict(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """With --strict warnings fail the check, and only they do."""
    path = config(HEAD + _route("a"))
    assert (invoke("check", "--strict").exit_code, invoke("check", "--strict").stdout) == (1, "")
    path.write_text(HEAD + _route("a", auth="none"), encoding="utf-8")
    assert invoke("check", "--strict").exit_code == 0


def test_the_lines_of_pyproject(invoke: Callable[..., Any], folder: Path) -> None:
    """In pyproject.toml the lines are right too."""
    upstream = '[project]\nname = "x"\n[tool.forst.sidecar]\naddress = "http://h:1"\n'
    text = upstream + '[[tool.forst.route]]\nid = "a"\npath = "/a"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    assert invoke("check").stderr.startswith('pyproject.toml:6: warning: route "a"')


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        ("shop_a.missing:check", "cannot be imported: No module named 'shop_a"),
        ("shop_b.auth:chekc", "cannot be imported: module 'shop_b.auth' has no attribute 'chekc'"),
        ("shop_b.auth:LIMIT", "is a int, expected something to call"),
    ],
)
def test_auth_that_is_not_there(
    invoke: Callable[..., Any], config: Callable[[str], Path], folder: Path, auth: str, reason: str
) -> None:
    """An `auth` that cannot be called is a mistake, with its line and where modules were looked for."""
    (folder / "shop_b").mkdir()
    (folder / "shop_b" / "auth.py").write_text("LIMIT = 3\n", encoding="utf-8")
    config(HEAD + _route("a", auth=auth) + _route("b"))
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f'forst.toml:7: route "a": auth = "{auth}": {reason}')
    assert f"(app modules: {folder}, see --app-dir)" in result.stderr


def test_app_dir(invoke: Callable[..., Any], config: Callable[[str], Path], folder: Path) -> None:
    """The app's modules may be elsewhere, and the search path is as before afterwards."""
    (folder / "src").mkdir()
    (folder / "src" / "shop_c.py").write_text("def check(connection): ...\n", encoding="utf-8")
    config(HEAD + _route("a", auth="shop_c:check"))
    before = list(sys.path)
    assert invoke("check").exit_code == 1
    assert invoke("check", "--app-dir", "src").exit_code == 0
    assert sys.path == before


def test_the_search_path_may_be_changed_by_the_app(folder: Path) -> None:
    """An import that changes sys.path is nothing to stumble over."""
    with importable(folder):
        sys.path.remove(str(folder))
    assert str(folder) not in sys.path


def test_tls_files(invoke: Callable[..., Any], config: Callable[[str], Path], folder: Path) -> None:
    """Certificates that cannot be read are mistakes of their upstreams, all of them."""
    (folder / "empty.pem").write_text("", encoding="utf-8")
    config(
        '[sidecar]\naddress = "https://a:1"\ntls = { ca = "missing.pem" }\n'
        '[upstream.b]\naddress = "https://b:1"\n[upstream.b.tls]\nca = "empty.pem"\n'
    )
    result = invoke("check")
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith('forst.toml:3: upstream "sidecar": tls: cannot be used (')
    assert second.startswith('forst.toml:6: upstream "b": tls: cannot be used (')


def test_a_program_that_is_not_built(
    invoke: Callable[..., Any], config: Callable[[str], Path], folder: Path
) -> None:
    """A missing program is only a warning: it may be built later, or elsewhere."""
    config('[sidecar]\ncommand = ["./bin/other"]\ncwd = "bin"\n')
    result = invoke("check")
    assert result.exit_code == 0
    assert result.stderr.startswith("forst.toml:2: warning: sidecar 'sidecar': cannot run")
    (folder / "bin" / "sidecar").chmod(0o644)
    config(HEAD)
    assert "is not executable" in invoke("check").stderr


FLAGS = '[flags]\ncontext = "{context}"\n[flags.override]\nsecret_env = "FORST_TEST_SECRET"\n'


def test_a_context_that_cannot_be_imported(invoke: Callable[..., Any], config: Callable[[str], Path]) -> None:
    """The callable that rules ask is looked for, with the line where it is named."""
    config(FLAGS.format(context="shop_nowhere:context") + HEAD)
    done = invoke("check", env={"FORST_TEST_SECRET": "0123456789abcdef"})
    assert done.exit_code == 1
    assert done.stderr.startswith('forst.toml:2: flags.context = "shop_nowhere:context": cannot be imported')
    config(FLAGS.format(context="json:loads") + HEAD)
    assert invoke("check", env={"FORST_TEST_SECRET": "0123456789abcdef"}).exit_code == 0


@pytest.mark.parametrize("key", ["secret_env", "secret_file"])
def test_the_secret_of_a_sidecar_that_is_not_at_hand_is_a_warning(
    invoke: Callable[..., Any], config: Callable[[str], Path], key: str
) -> None:
    """What production tells its own processes is named, with its line, and nothing else is made of it."""
    value = {"secret_env": "FORST_TEST_SECRET", "secret_file": "/nowhere/secret"}[key]
    address = f'address = "http://127.0.0.1:9"\n{key} = "{value}"\n'
    config(f"[sidecar]\n{address}[upstream.a]\n{address}" + _route("a", auth="json:loads"))
    result = invoke("check")
    assert (result.exit_code, result.stdout.endswith("2 warnings\n")) == (0, True)
    first, second = result.stderr.splitlines()
    assert first.startswith('forst.toml:3: warning: upstream "sidecar": ')
    assert second.startswith('forst.toml:6: warning: upstream "a": ')
    assert value in first


def test_a_secret_that_is_not_at_hand_is_a_warning(
    invoke: Callable[..., Any], config: Callable[[str], Path]
) -> None:
    """Where a configuration is checked, the secrets of production need not be known."""
    config(FLAGS.format(context="json:loads") + HEAD)
    done = invoke("check", env={"FORST_TEST_SECRET": ""})
    assert done.exit_code == 0
    assert "forst.toml:3: warning: flags.override: the environment variable FORST_TEST_SECRET" in done.stderr


def test_a_mode_in_the_environment_that_is_none(
    invoke: Callable[..., Any], config: Callable[[str], Path]
) -> None:
    """What FORST_ROUTE_<ID> says is checked too."""
    config(HEAD + _route("a", mode="on", auth="none"))
    done = invoke("check", env={"FORST_ROUTE_A": "onn"})
    assert (done.exit_code, 'FORST_ROUTE_A = "onn": expected "off"' in done.stderr) == (1, True)
