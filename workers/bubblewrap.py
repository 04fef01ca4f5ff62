"""The command that gives a child namespaces and a file system of its own."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import workers

PROJECT = Path(workers.__file__).resolve().parent.parent
"""Where our packages are imported from, when they are not installed."""


def readable_paths(tasks: str) -> list[str]:
    """Gives what Python needs: itself, its packages, the system's libraries, and our own code."""
    paths = {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"}
    paths |= {path for path in sys.path if path and Path(path).resolve() != PROJECT}
    for package in {"workers", tasks.partition(".")[0]}:
        found = importlib.util.find_spec(package)
        paths |= set(found.submodule_search_locations or ()) if found else set()
    existing = sorted(path for path in paths if Path(path).exists() and Path(path) != Path("/"))
    return [path for path in existing if not _inside(path, existing)]


def _inside(path: str, paths: list[str]) -> bool:
    return any(Path(path) != Path(other) and Path(path).is_relative_to(other) for other in paths)


def bubblewrap(directory: Path, tasks: str) -> tuple[str, ...]:
    """Gives the command that a child's own command is put behind."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    for path in readable_paths(tasks):
        if Path(path).is_symlink() and Path(path).parent == Path("/"):
            command += ["--symlink", str(Path(path).readlink()), path]
        else:
            command += ["--ro-bind", path, path]
    for device in ("/dev/null", "/dev/urandom"):
        command += ["--dev-bind", device, device]
    # What is outside the job directory would be memory that nobody counts, so it can't be written.
    command += ["--bind", str(directory), "/job", "--chdir", "/job", "--remount-ro", "/", "--"]
    return (shutil.which(command[0]) or command[0], *command[1:])
