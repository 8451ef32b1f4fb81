"""Parts of a configuration in a few words, for tables."""

from pathlib import Path

from forst_asgi.config import Config, RouteConfig, UpstreamConfig
from forst_asgi.config.units import format_duration, format_size


def methods_of(route: RouteConfig) -> str:
    """Return the methods that a route takes, such as "GET, POST"."""
    return ", ".join(sorted(route.methods)) if route.methods is not None else "any"


def conditions_of(route: RouteConfig) -> str:
    """Return the hosts and header fields that a route asks for, "" if it does not."""
    fields = [name if value == "*" else f"{name}: {value}" for name, value in route.headers.items()]
    return ", ".join([*route.host, *fields])


def place_of(upstream: UpstreamConfig) -> str:
    """Return where an upstream is: its address, or else the program that is started.

    The program's arguments are left out: secrets may stand there.
    """
    if upstream.address is not None:
        return str(upstream.address)
    if upstream.socket not in (None, "auto"):
        return f"unix:{upstream.socket}"
    program, *arguments = upstream.command or ("",)
    return f"{_short(program)} …" if arguments else _short(program)


def transport_of(upstream: UpstreamConfig) -> str:
    """Return what connections to an upstream are made of: "unix", "tcp" or "tls"."""
    return "unix" if upstream.address is None else upstream.address.kind


def modes_of(config: Config) -> str:
    """Return how many routes are in which mode, such as "5 on, 1 off"."""
    modes = [route.mode for route in config.routes]
    return ", ".join(f"{modes.count(mode)} {mode}" for mode in dict.fromkeys(modes))


def limits_of(route: RouteConfig, upstream: UpstreamConfig) -> dict[str, str | None]:
    """Return the limits in force for a request, in the words of the file; None for no limit."""
    kept = {"replay_max": format_size(route.replay_max)} if route.on_failure == "app" else {}
    return {
        "max_body": None if route.max_body is None else format_size(route.max_body),
        "timeout": None if route.timeout is None else format_duration(route.timeout),
        "idle_timeout": format_duration(route.idle_timeout or upstream.idle_timeout),
        "pool_timeout": format_duration(upstream.pool_timeout),
        "connect_timeout": format_duration(upstream.connect_timeout),
        "write_timeout": format_duration(upstream.write_timeout),
        "first_byte_timeout": format_duration(upstream.first_byte_timeout),
        "breaker_failures": str(upstream.breaker_failures),
        "breaker_pause": format_duration(upstream.breaker_pause),
        **kept,
    }


def counted(number: int, noun: str) -> str:
    """Return "1 route", "2 routes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(program: str) -> str:
    path, here = Path(program), Path.cwd()
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else program
