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


GRACE_SHARE = 0.8
"""How much of the time to stop the program is told of, so that it is done before it is killed."""
MEMORY_SHARE = 0.9
"""How much of the memory Go is told to aim at (runtime/debug.SetMemoryLimit); the rest is slack."""


def sidecar_environ(spec: SidecarSpec, ours: Mapping[str, str]) -> dict[str, str]:
    """Return what the program finds in its environment, all but the numbers of file descriptors.

    Args:
        spec: what comes from its limits wins over `ours`, `env` wins over that, FORST_LISTEN and
            FORST_NONCE over all.
        ours: the environment to take from, usually `os.environ`.
    """
    names = ALLOWED.union(spec.env_pass)
    taken = {key: value for key, value in ours.items() if key in names or key.startswith(ALLOWED_PREFIXES)}
    return {**taken, **_limits(spec), **spec.env, **_ours(spec)}


def _limits(spec: SidecarSpec) -> dict[str, str]:
    grace_ms = max(1, int(spec.stop_timeout_s * GRACE_SHARE * 1000))
    limits = {"FORST_GRACE": f"{grace_ms}ms"}
    if spec.memory_limit is not None:
        limits["GOMEMLIMIT"] = f"{int(spec.memory_limit * MEMORY_SHARE)}B"
    if spec.cpus is not None:
        limits["GOMAXPROCS"] = str(spec.cpus)
    return limits


def _ours(spec: SidecarSpec) -> dict[str, str]:
    told = {"FORST_LISTEN": spec.listen}
    return {**told, "FORST_NONCE": spec.nonce} if spec.nonce else told
