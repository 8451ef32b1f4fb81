"""What of our environment a sidecar gets."""

from forst_asgi.supervisor import SidecarSpec
from forst_asgi.supervisor.environ import sidecar_environ

OURS = {
    "PATH": "/bin",
    "LC_ALL": "C",
    "OTEL_SERVICE_NAME": "app",
    "GOMEMLIMIT": "1GiB",
    "SECRET_KEY": "x",
    "LCX": "not a locale",
    "FORST_LISTEN": "somebody else's",
}


def test_only_listed_names_pass() -> None:
    """Without further settings the allow-list and the listen address are all there is."""
    assert sidecar_environ(SidecarSpec("quotes", ("x",), "unix:/s"), OURS) == {
        "PATH": "/bin",
        "LC_ALL": "C",
        "OTEL_SERVICE_NAME": "app",
        "GOMEMLIMIT": "1GiB",
        "FORST_LISTEN": "unix:/s",
    }


def test_passed_and_set_names_are_added() -> None:
    """`env_pass` adds ours if there is one, `env` wins over it, FORST_LISTEN cannot be set by either."""
    env = {"PATH": "/opt", "FORST_LISTEN": "mine"}
    spec = SidecarSpec("quotes", ("x",), "unix:/s", env=env, env_pass=("SECRET_KEY", "ABSENT"))
    found = sidecar_environ(spec, OURS)
    assert found["SECRET_KEY"] == "x"
    assert found["PATH"] == "/opt"
    assert found["FORST_LISTEN"] == "unix:/s"
    assert "ABSENT" not in found
