"""Brings the database up to date, makes the first users and the bucket; all runs begin so.

Run as ``python -m ops.prepare`` it prints one line of JSON, ``{"password": …}``: the password that
was made for the first users, or null when there was nothing to make or it came from outside in
``AETHERFLOW_BOOTSTRAP_PASSWORD``.
"""

from __future__ import annotations

import asyncio
import json
import os

import asyncpg

from domain.bootstrap import bootstrap
from domain.errors import DomainError, Unavailable
from domain.settings import Settings
from domain.storage import Storage
from ops.migrate import upgrade


def main() -> None:
    """Migrates, makes what is missing of users and bucket, and prints what was made."""
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


async def make_bucket(settings: Settings) -> None:
    """Makes the bucket where there is none. Raises `Unavailable`."""
    storage = Storage(settings)
    await storage.open()
    try:
        await storage.ensure_bucket()
    finally:
        await storage.close()


if __name__ == "__main__":
    main()
