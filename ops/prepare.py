"""Brings the database up to date and makes the first users; `up` and the containers begin so.

Run as ``python -m ops.prepare`` it prints one line of JSON, ``{"password": …}``: the password that
was made for the first users, or null when there was nothing to make or it came from outside.
"""

from __future__ import annotations

import asyncio
import json

from domain.bootstrap import bootstrap

from domain.settings import Settings
from ops.migrate import upgrade


def main() -> None:
    """Migrates, makes the first users where there are none, and prints what was made."""
    settings = Settings()
    if settings.owner_database_url is None:
        message = "AETHERFLOW_OWNER_DATABASE_URL is needed: migrations run as the database's owner."
        raise SystemExit(message)
    upgrade(settings.owner_database_url.get_secret_value())
    print(json.dumps({"password": asyncio.run(bootstrap(settings))}))


if __name__ == "__main__":
    main()
