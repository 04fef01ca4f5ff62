"""Brings the database up to date and makes the first users; `up` and the containers begin so.

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
from domain.errors import DomainError
from domain.settings import Settings
from ops.migrate import upgrade


def main() -> None:
    """Migrates, makes the first users where there are none, and prints what was made."""
    address = Settings().owner_database_url
    if address is None:
        message = "AETHERFLOW_OWNER_DATABASE_URL is needed: migrations run as the database's owner."
        raise SystemExit(message)
    owner_url = address.get_secret_value()
    given = os.environ.get("AETHERFLOW_BOOTSTRAP_PASSWORD")
    try:
        upgrade(owner_url)
        made = asyncio.run(bootstrap(owner_url, given))
    except (OSError, asyncpg.InvalidAuthorizationSpecificationError) as fault:
        message = f"The database of AETHERFLOW_OWNER_DATABASE_URL does not let us in: {fault}"
        raise SystemExit(message) from fault
    except DomainError as refusal:
        message = f"AETHERFLOW_BOOTSTRAP_PASSWORD can't be used: {refusal}"
        raise SystemExit(message) from refusal
    print(json.dumps({"password": None if given else made}))


if __name__ == "__main__":
    main()
