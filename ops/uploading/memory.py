"""What the command remembers of uploads that were interrupted, in the user's cache directory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_directory() -> Path:
    """The directory for what may be lost, as the XDG Base Directory Specification names it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    home = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return home / "aetherflow" / "uploads"


class Remembered:
    """The id of one upload, under its server, department and the file's hash."""

    def __init__(self, server: str, department: str, sha256: str) -> None:
        name = hashlib.sha256(f"{server}\0{department}\0{sha256}".encode()).hexdigest()
        self._path = cache_directory() / name

    def upload_id(self) -> str | None:
        """Gives what was remembered, if anything was."""
        try:
            return self._path.read_text().strip() or None
        except OSError:
            return None

    def remember(self, upload_id: str) -> None:
        """Writes the id down; where nothing can be written, the upload just can't be resumed."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.write_text(f"{upload_id}\n")
        except OSError:
            return

    def forget(self) -> None:
        """Strikes the id out, because the upload is over."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return
