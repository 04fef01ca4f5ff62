"""The account that PostgreSQL runs as when we are root: it refuses to run as root itself."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from ops.servers.errors import ServerFailed

if TYPE_CHECKING:
    from pathlib import Path


class Drop(TypedDict):
    """The arguments of subprocess.Popen that make a child another account."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True)
class Account:
    """An account of this machine that owns nothing else of ours."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Gives a file or an empty folder of ours to this account."""
        os.chown(path, self.uid, self.gid)

    def can_run(self, program: Path) -> bool:
        """Tells whether this account reaches and may run a program, by trying as that account."""
        tried = subprocess.run(
            ["test", "-x", program],  # noqa: S607 (looked up on the path below)
            check=False,
            cwd="/",
            env={"PATH": os.defpath},  # root's own path may lead through folders closed to others
            stderr=subprocess.DEVNULL,
            **dropped_to(self),
        )
        return tried.returncode == 0


def dropped_to(account: Account | None) -> Drop:
    """Returns what subprocess.Popen needs to start a child as this account alone, or as ours."""
    if account is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def unprivileged_account() -> Account | None:
    """Returns the account ``nobody`` when we are root, and None when we are not.

    No account is ever made. Raises ServerFailed when root finds no such account.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as fault:
        message = "PostgreSQL can't run as root, and there is no account `nobody`: run as a user."
        raise ServerFailed(message) from fault
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def within_reach(source: Path, parts: list[str], probe: str, account: Account, store: Path) -> Path:
    """Returns a folder with ``parts`` of ``source`` that the account can run ``probe`` from.

    That is ``source`` itself where possible. Where a folder above it is closed (/root is, as a
    rule) the parts are copied to ``store``, which is ours: nobody else's folder is opened. Raises
    ServerFailed when a copy can't be made or run either.
    """
    if account.can_run(source / probe):
        return source
    advice = (
        f"PostgreSQL can't run as root, and the account {account.name} can't enter {source}: "
        "move the project to a folder that others may enter, or run as an ordinary user."
    )
    if not (store / probe).exists():
        aside = store.with_name(f"{store.name}.{os.getpid()}")
        try:
            for part in parts:
                shutil.copytree(source / part, aside / part, symlinks=True)
            for path in [aside, *aside.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755)
            store.parent.chmod(0o755)
            aside.rename(store)
        except OSError as fault:
            shutil.rmtree(aside, ignore_errors=True)
            if not (store / probe).exists():
                raise ServerFailed(advice) from fault
    if not account.can_run(store / probe):
        raise ServerFailed(advice)
    return store
