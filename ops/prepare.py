"""Brings the database up to date, makes the first users and the bucket; all runs begin so.

Run as ``python -m ops.prepare`` it prints one line of JSON, ``{"password": …}``: the password that
was made for the first users, or null when there was nothing to make or it came from outside in
``AETHERFLOW_BOOTSTRAP_PASSWORD``. With a file's name behind it the password that was made is left
there too, so that it is not lost when whoever started this is stopped before it could tell it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from domain.bootstrap import bootstrap
from domain.errors import DomainError, Unavailable
from domain.settings import Settings
from domain.storage import Storage
from ops.migrate import upgrade


def main(note: Path | None = None) -> None:
    """Migrates, makes what is missing of users and bucket, and prints what was made.

    ``note`` is where to leave the password that was made, readable by this account alone.
    """
    settings = Settings()
    address = settings.owner_database_url
    if address is None:
        message = "AETHERFLOW_OWNER_DATABASE_URL is needed: migrations run as the database's owner."
        raise SystemExit(message)
    owner_url = address.get_secret_value()
    given = os.environ.get("AETHERFLOW_BOOTSTRAP_PASSWORD")
    try:
        upgrade(owner_url)
        made = asyncio.run(bootstrap(owner_url, given))
        if note is not None and made is not None and not given:
            _leave(note, made)
        asyncio.run(make_bucket(settings))
    except (OSError, asyncpg.InvalidAuthorizationSpecificationError) as fault:
        message = f"The database of AETHERFLOW_OWNER_DATABASE_URL does not let us in: {fault}"
        raise SystemExit(message) from fault
    except Unavailable as refusal:
        message = f"The object storage of AETHERFLOW_S3_ENDPOINT_URL can't be used: {refusal}"
        raise SystemExit(message) from refusal
    except DomainError as refusal:
        message = f"AETHERFLOW_BOOTSTRAP_PASSWORD can't be used: {refusal}"
        raise SystemExit(message) from refusal
    print(json.dumps({"password": None if given else made}))


def _leave(note: Path, password: str) -> None:
    # Written aside and renamed, so that there is all of it or nothing.
    aside = note.with_suffix(".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    aside.replace(note)


async def make_bucket(settings: Settings) -> None:
    """Makes the bucket where there is none. Raises `Unavailable`."""
    storage = Storage(settings)
    await storage.open()
    try:
        await storage.ensure_bucket()
    finally:
        await storage.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
