"""What a caller may hold in its hands: ids, cursors and words, its own and others'."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bcrypt

from domain.jobs.reads import Cursor
from domain.paging import Order, cursor_of
from graph.nodes import NODES
from graph.scalars import encoded_id
from tests.factories.realms import Realm, collect, realm_of
from tests.factories.rows import Rows

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row
    from domain.identity.tokens import Tokens

OF_NO_NODE = {
    "Session": "sessions",
    "ApiToken": "api_tokens",
    "LinkedIdentity": "user_identities",
}
"""Types with an id that `node` does not find, and their tables."""

DEPARTMENTS = ("sales", "supply", "finance")


@dataclass(frozen=True)
class Holding:
    """What is known of one department, in the forms in which the graph takes it."""

    realm: Realm
    code: str
    key: str
    """An idempotency key that its user gave."""
    refresh_token: str
    """The newest refresh token of its user's session."""
    event_cursor: str
    """The place just before its first event, as the API writes it."""

    @property
    def password(self) -> str:
        """The password of its users."""
        return password_of(self.mark)

    @property
    def mark(self) -> str:
        """The word that stands in all of its texts and nowhere else."""
        return self.realm.mark

    def rows(self, type_name: str) -> list[Row]:
        """The rows behind a type of node."""
        table = OF_NO_NODE.get(type_name) or NODES[type_name].__tablename__
        return self.realm.rows[table]

    def ids(self, type_name: str) -> list[str]:
        """The global ids of a type of node."""
        return [str(encoded_id(type_name, row.id)) for row in self.rows(type_name)]

    def cursor(self, type_name: str, order: Order) -> str:
        """The place of one of its rows in a list of that order."""
        placed = next(row for row in self.rows(type_name) if row[order.column] is not None)
        return cursor_of(placed, order)

    def secret_keys(self) -> set[UUID]:
        """The keys of its rows, none of which anybody else should see."""
        found = {
            row.id
            for rows in self.realm.rows.values()
            for row in rows
            if not isinstance(row.id, int)
        }
        return found - self.shared()

    def shared(self) -> set[UUID]:
        """Keys that are nobody's secret."""
        return {row.role_id for row in self.realm.rows["user_roles"]}


@dataclass
class World:
    """Three departments with something of every kind, and somebody who may do nothing."""

    holdings: dict[str, Holding] = field(default_factory=dict)
    powerless: Any = None

    def others(self, code: str) -> list[Holding]:
        """The holdings of the other departments."""
        return [holding for name, holding in self.holdings.items() if name != code]


def password_of(mark: str) -> str:
    """What the users of a department sign in with."""
    return f"{mark} horse battery staple"


async def world_of(connection: Any, tokens: Tokens) -> World:
    """Fills the seeded departments."""
    world = World()
    for code in DEPARTMENTS:
        mark = f"canary{code}"
        rows = Rows(connection, mark)
        department_id = await rows.department_id(code)
        realm = await realm_of(connection, mark, department_id, roles=("admin",))
        await rows.department(department_id, description=f"{mark} below")
        await connection.execute(
            "update departments set name = $2, description = $2, manager_id = $3 where id = $1",
            department_id,
            f"{mark} department",
            realm.person.id,
        )
        hashed = bcrypt.hashpw(password_of(mark).encode(), bcrypt.gensalt(4)).decode()
        people = [realm.person.id, realm.colleague.id]
        await connection.execute(
            "update users set password_hash = $2 where id = any ($1)", people, hashed
        )
        await collect(connection, realm)
        key = realm.row("idempotency_keys").key
        session = realm.row("sessions")
        refresh = tokens.refresh(session.user_id, session.id, 1, session.expires_at)
        event = realm.row("job_events")
        cursor = tokens.sealed(str(Cursor(event.id - 1, event.created_at)))
        world.holdings[code] = Holding(realm, code, key, refresh, cursor)
    rows = Rows(connection)
    world.powerless = await rows.person(await rows.department_id("sales"), roles=())
    return world
