"""The environment of a sidecar: an allow-list, so that no secret of the app leaks by default."""

from collections.abc import Mapping

from forst_asgi.supervisor.spec import SidecarSpec

ALLOWED = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GODEBUG",
        "GOMAXPROCS",
        "GOMEMLIMIT",
        "GOTRACEBACK",
    }
)
ALLOWED_PREFIXES = ("LC_", "OTEL_")


def sidecar_environ(spec: SidecarSpec, ours: Mapping[str, str]) -> dict[str, str]:
    """Return what the program finds in its environment, all but FORST_LIFELINE.

    Args:
        spec: `env_pass`, `env` and `listen` are looked at; each wins over the one before.
        ours: the environment to take from, usually `os.environ`.
    """
    names = ALLOWED.union(spec.env_pass)
    taken = {key: value for key, value in ours.items() if key in names or key.startswith(ALLOWED_PREFIXES)}
    return {**taken, **spec.env, "FORST_LISTEN": spec.listen}
