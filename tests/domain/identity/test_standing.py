"""What the callers of open streams may see, taken again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from domain.bell import Silence
from domain.errors import Unauthenticated
from domain.identity.standing import Standings
from domain.identity.tokens import new_api_token, read_api_token
from domain.scope import Identity, Scope

if TYPE_CHECKING:
    from tests.domain.identity.conftest import Office


async def test_a_machine_stands_no_wider_than_its_token(office: Office) -> None:
    rows = office.rows
    token_id = await rows.connection.fetchval("select uuidv7()")
    text, key = new_api_token(office.manager.id, token_id)
    await rows.api_token(
        office.manager.id,
        office.below,
        id=token_id,
        token_hash=key.digest,
        permissions=["job:read"],
    )
    _, found = read_api_token(text)
    assert found == key
    told = asyncio.Event()
    standings = Standings(office.database, Silence())
    machine = Identity(office.manager.id, None, None, key)
    standing = await standings.hold(machine, told.set)
    assert standing.scope == Scope(frozenset({office.below}), frozenset({"job:read"}))
    await rows.connection.execute(
        "update api_tokens set revoked_at = now() where id = $1", token_id
    )
    async with asyncio.timeout(10):
        await told.wait()
    assert isinstance(standing.refusal, Unauthenticated)
    standings.release(standing)
