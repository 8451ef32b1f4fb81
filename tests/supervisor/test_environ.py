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
        "FORST_GRACE": "8000ms",
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


def test_limits_and_nonce_are_told() -> None:
    """Limits win over what we were started with; the grace is less than the time until the kill."""
    spec = SidecarSpec("q", ("x",), "unix:/s", stop_timeout_s=2, memory_limit=1000, cpus=2, nonce="n")
    found = sidecar_environ(spec, OURS)
    assert found["GOMEMLIMIT"] == "900B"
    assert found["GOMAXPROCS"] == "2"
    assert found["FORST_GRACE"] == "1600ms"
    assert found["FORST_NONCE"] == "n"


def test_no_time_to_stop_is_still_a_grace() -> None:
    """FORST_GRACE has to be more than nothing; `env` may set another."""
    spec = SidecarSpec("q", ("x",), "unix:/s", stop_timeout_s=0)
    assert sidecar_environ(spec, {})["FORST_GRACE"] == "1ms"
    spec = SidecarSpec("q", ("x",), "unix:/s", env={"FORST_GRACE": "3s"})
    assert sidecar_environ(spec, {})["FORST_GRACE"] == "3s"
