"""`aetherflow migrate`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ops.commands.arguments import add_data_dir, add_word
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from alembic.script import ScriptDirectory

    from ops.commands.arguments import Words

DESCRIPTION = """\
Brings the database up to date as its owner; `aetherflow up` does it at every start. Processes that
migrate at once wait for each other. Without --to it applies whatever is missing, and nothing when
nothing is."""

EXAMPLES = """\
  ./aetherflow migrate
  ./aetherflow migrate --to 0002
  ./aetherflow migrate --to 0001 --back"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "migrate",
        run,
        summary="bring the database up to date",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--to",
        default="head",
        metavar="REVISION",
        help="where to come to (default: the last one)",
    )
    parser.add_argument(
        "--back",
        action="store_true",
        help="take back what came after --to, which deletes the data that it holds",
    )
    add_data_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Migrates, and prints the revision. Raises `CommandFailed`."""
    # Loaded by this word alone.
    import sqlalchemy.exc  # noqa: PLC0415
    from alembic.script import ScriptDirectory as Scripts  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    from ops.configuration import owner_url_of, settings_here  # noqa: PLC0415
    from ops.migrate import downgrade, history, upgrade  # noqa: PLC0415

    url = owner_url_of(settings_here(arguments.data_dir))
    scripts = Scripts.from_config(history(url))
    try:
        before = asyncio.run(_present(url))
        wanted = _known(scripts, arguments.to)
        if before is not None and wanted in _earlier(scripts, before):
            if not arguments.back:
                message = (
                    f"the database is at {before}, which comes after {wanted or 'base'}. Going "
                    "back deletes what the later revisions hold: add --back if that is meant."
                )
                raise CommandFailed(message)
            downgrade(url, arguments.to)
        else:
            upgrade(url, arguments.to)
        after = asyncio.run(_present(url))
    except CommandError as error:
        message = f"the history of the database does not go on like that: {error}."
        raise CommandFailed(message) from error
    except OSError as error:
        message = f"the database does not answer: {error}."
        raise CommandFailed(message) from error
    except sqlalchemy.exc.DBAPIError as error:
        message = f"the database refused, and nothing of the failed revision stayed: {error.orig}."
        raise CommandFailed(message) from error
    here = after or "its beginning, without tables"
    print(f"The database is at {here}{' already' if before == after else ''}.")
    return 0


def _known(scripts: ScriptDirectory, revision: str) -> str | None:
    """Gives the full name of a revision, None for the empty database. Raises CommandError."""
    found = scripts.as_revision_number(revision)
    return None if found is None else str(found)


def _earlier(scripts: ScriptDirectory, revision: str) -> set[str | None]:
    walked = scripts.iterate_revisions(revision, "base")
    return {None, *(script.revision for script in walked)} - {revision}


async def _present(url: str) -> str | None:
    """The revision that the database is at, None where it has none yet."""
    import asyncpg  # noqa: PLC0415 (loaded by this word alone)

    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    except asyncpg.PostgresError as error:
        message = f"the database lets nobody in at AETHERFLOW_OWNER_DATABASE_URL: {error}."
        raise CommandFailed(message) from error
    try:
        found = await connection.fetchval("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    else:
        return None if found is None else str(found)
    finally:
        await connection.close()
