"""The jobs that need somebody are found by whoever may see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from graph.scalars import encoded_id

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories.rows import Person, Rows
    from tests.graph.catalog.conftest import Asker

FIND = """
query ($filter: JobFilter) {
  jobs(filter: $filter) { totalCount nodes { id blamesFile leasedBy leaseExpiresAt } }
}
"""


async def troubled(rows: Rows, department: UUID, person: Person) -> dict[str, str]:
    """A stuck and a dead job, and such as look like them."""
    now = datetime.now(UTC)
    many: dict[str, dict[str, Any]] = {
        "stuck": {
            "status": "processing",
            "leased_by": "a",
            "lease_expires_at": now - timedelta(minutes=1),
        },
        "held": {"status": "processing", "lease_expires_at": now + timedelta(minutes=1)},
        "dead": {"status": "failed", "error_code": "LEASE_LOST"},
        "blamed": {"status": "failed", "error_code": "UNREADABLE", "blames_file": True},
        "good": {"status": "succeeded"},
    }
    return {
        name: encoded_id(
            "Job", (await rows.job(department, person.id, job_type="eda", **values)).id
        )
        for name, values in many.items()
    }


async def test_finds_what_is_stuck_and_what_is_dead(
    asker: Asker, rows: Rows, department: UUID, editor: Person
) -> None:
    jobs = await troubled(rows, department, editor)
    stuck = (await asker.data(editor, FIND, filter={"trouble": "STUCK"}))["jobs"]
    assert [(job["id"], job["leasedBy"]) for job in stuck["nodes"]] == [(jobs["stuck"], "a")]
    dead = (await asker.data(editor, FIND, filter={"trouble": "DEAD"}))["jobs"]
    assert [(job["id"], job["blamesFile"]) for job in dead["nodes"]] == [(jobs["dead"], False)]
    assert (stuck["totalCount"], dead["totalCount"]) == (1, 1)


async def test_finds_nothing_of_others(
    asker: Asker, rows: Rows, department: UUID, editor: Person
) -> None:
    await troubled(rows, department, editor)
    stranger = await rows.person(await rows.department(), roles=("admin",))
    for trouble in ("STUCK", "DEAD"):
        found = await asker.data(stranger, FIND, filter={"trouble": trouble})
        assert found["jobs"]["totalCount"] == 0


async def test_trouble_and_status_exclude_each_other(asker: Asker, editor: Person) -> None:
    given = {"trouble": "DEAD", "status": ["FAILED"]}
    assert (await asker.refusal(editor, FIND, filter=given))["code"] == "INVALID_INPUT"
