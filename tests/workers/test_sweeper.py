from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from tests.factories.rows import Rows
    from workers.runs import Parts


async def test_deletes_what_proved_an_identity_once_its_time_is_over(
    parts: Parts, rows: Rows
) -> None:
    connection = rows.connection
    department = await rows.department()
    person = await rows.person(department)

    async def kept(table: str) -> set[Any]:
        return {row.id for row in await connection.fetch(f"select id from {table}")}  # noqa: S608

    async def ago(days: float) -> datetime:
        moment: datetime = await connection.fetchval(
            "select now() - make_interval(secs => $1 * 86400)", days
        )
        return moment

    left: set[Any] = set()
    gone: set[Any] = set()
    for days, fate in ((8, gone), (6, left), (-1, left)):
        code = {"purpose": "reset_password", "code_hash": uuid4().hex, "user_id": person.id}
        row = await rows.insert("one_time_codes", **code, expires_at=await ago(days))
        fate.add(row.id)
    for days, fate in ((366, gone), (364, left), (-1, left)):
        row = await rows.api_token(person.id, department, expires_at=await ago(days))
        fate.add(row.id)
    for days, fate in ((1, gone), (-1, left)):
        count = {"subject": uuid4().hex, "attempts": 3, "window_ends_at": await ago(days)}
        fate.add((await rows.insert("login_attempts", **count)).id)
    assert await Sweeper(parts).sweep_identity() >= len(gone)
    tables = ("one_time_codes", "api_tokens", "login_attempts")
    there = set().union(*[await kept(table) for table in tables])
    assert left <= there
    assert not gone & there


async def test_makes_the_audit_logs_partitions_ahead(parts: Parts, owner: Any) -> None:
    year = datetime.now(UTC).year + 1
    await owner.execute(f"drop table partitions.audit_logs_{year}")
    sweeper = Sweeper(parts)
    assert await sweeper.make_partitions() == 1
    assert await sweeper.make_partitions() == 0
    assert await owner.fetchval("select to_regclass($1)", f"partitions.audit_logs_{year}")
