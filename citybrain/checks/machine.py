"""The machine: Python, the names of our packages, disk, open files, ports, clock."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import resource
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from citybrain.checks import Check, fault, ok, warning
from citybrain.stack import DISK_MB
from config.settings import Settings

PACKAGES = ("citybrain", "wall", "streams", "sensors", "config", "models", "geo")
OURS = "citybrain"  # the distribution that may own them
ROOT = Path(__file__).resolve().parents[2]
PYTHON = ((3, 11), (3, 14))  # from, and below
DISK_WARN_MB = 20_000
FILES_LEAST, FILES_WARN = 256, 4_096
EARLIEST_S = 1_735_689_600  # 2025: older than every package in the lock, so no clock that is right shows it
AHEAD_S = 60.0


def python() -> Check:
    """The version of Python that runs this."""
    found = sys.version.split()[0]
    limit = "3.11 to 3.13"
    if PYTHON[0] <= sys.version_info[:2] < PYTHON[1]:
        return ok("python", found, limit)
    return fault("python", found, limit, "make .venv anew with one of these: PYTHON=/path/to/python3.12 script/demo")


def names() -> list[Check]:
    """Each top-level name of ours must be this project's alone: config and models are names that others use too."""
    owners = importlib.metadata.packages_distributions()
    return [_name(name, set(owners.get(name, ())) - {OURS}) for name in PACKAGES]


def _name(name: str, others: set[str]) -> Check:
    spec = importlib.util.find_spec(name)
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    what, limit = f"name {name}", "one owner"
    if others:
        found = f"also in the distribution {', '.join(sorted(others))}"
        return fault(what, found, limit, "uninstall it: this application wants an environment of its own")
    if origin is None or ROOT not in origin.parents:
        return fault(
            what, f"is {origin}, not {ROOT / name}", limit, "start from the project's folder, without PYTHONPATH"
        )
    return ok(what, str(origin.parent), limit)


def disk(settings: Settings) -> Check:
    """Free room where the data lies or will lie."""
    place = settings.data.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 2**20
    value, remedy = f"{free} MB free at {place}", "make room or set CITYBRAIN_DATA to a larger disk"
    if free < DISK_MB:
        return fault("disk", value, f"at least {DISK_MB} MB", remedy)
    if free < DISK_WARN_MB:
        return warning("disk", value, f"better {DISK_WARN_MB} MB", remedy)
    return ok("disk", value, f"at least {DISK_MB} MB")


def open_files() -> Check:
    """How many files and connections one process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    value, remedy = f"{soft} a process", f"raise it before the start: ulimit -n {FILES_WARN}"
    if soft == resource.RLIM_INFINITY or soft >= FILES_WARN:
        return ok("open files", "unlimited" if soft == resource.RLIM_INFINITY else value, f"at least {FILES_LEAST}")
    if soft < FILES_LEAST:
        return fault("open files", value, f"at least {FILES_LEAST}", remedy)
    return warning("open files", value, f"better {FILES_WARN}: every open wall and gateway takes one", remedy)


def ports(settings: Settings) -> list[Check]:
    """The two ports people and gateways come to: free, or held by a citybrain that answers."""
    return [
        _port("gateway port", settings.host, settings.gateway_port, "CITYBRAIN_GATEWAY_PORT"),
        _port("wall port", settings.host, settings.wall_port, "CITYBRAIN_WALL_PORT"),
    ]


def _port(name: str, host: str, port: int, setting: str) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError:
            return fault(name, f"{port} is no port", "1 to 65535", f"set {setting}")
        except OSError as error:
            if _answers(host, port):
                return ok(name, f"{host}:{port} is held by a citybrain that answers")
            value = f"{host}:{port} cannot be used: {error.strerror}"
            return fault(name, value, "free, or a citybrain that answers", f"stop what holds it or set {setting}")
    return ok(name, f"{host}:{port} is free")


def _answers(host: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=2) as answer:  # our own
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def clock(settings: Settings, now_s: float | None = None) -> Check:
    """The clock against the age of this program's packages and against what this city has saved."""
    now = time.time() if now_s is None else now_s
    told = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    remedy = "set the clock and keep it by NTP: readings are judged by their time"
    if now < EARLIEST_S:
        return fault("clock", told, "not before 2025", remedy)
    ahead = _newest(settings.state) - now
    if ahead > AHEAD_S:
        return fault(
            "clock", f"{told}, {ahead:.0f} s behind the newest saved state", f"at most {AHEAD_S:.0f} s", remedy
        )
    return ok("clock", told)


def _newest(folder: Path) -> float:
    """When the newest snapshot was written, s since 1970; 0 without one."""
    return max((path.stat().st_mtime for path in folder.glob("*/*.npz")), default=0.0)
