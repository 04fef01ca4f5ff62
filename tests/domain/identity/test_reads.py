from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from domain.filters import Condition, Operator
from domain.identity import reads as identity
from domain.identity.models import User
from domain.paging import Order, Page, cursor_of

if TYPE_CHECKING:
    from tests.domain.identity.conftest import Office

BY_NAME = Order("full_name", descending=False)


async def test_names_the_people_behind_visible_rows_wherever_they_are(office: Office) -> None:
    stranger = await office.rows.person(office.elsewhere, full_name="Far Away")
    async with office.reads() as reads:
        found = await identity.actors(reads, [stranger.id, office.manager.id, uuid4()])
        assert await reads.by_keys(User, [stranger.id]) == {}
    assert set(found) == {stranger.id, office.manager.id}
    assert found[stranger.id].display_name == "Far Away"
    assert set(found[stranger.id].keys()) == {"id", "display_name"}


async def test_gives_the_roles_of_those_who_are_seen(office: Office) -> None:
    user = await office.rows.person(office.place, roles=("viewer", "editor"))
    stranger = await office.rows.person(office.elsewhere)
    async with office.reads() as reads:
        found = await identity.roles_of(reads, [user.id, stranger.id])
        permissions = await identity.permissions_of(reads, [r.id for r in found[user.id]])
    assert [role.name for role in found[user.id]] == ["editor", "viewer"]
    assert found[stranger.id] == []
    assert permissions[found[user.id][1].id] == [
        "dataset:read",
        "job:read",
        "result:read",
        "user:read",
    ]


async def test_gives_of_a_user_only_the_departments_inside_the_scope(office: Office) -> None:
    both = await office.rows.person(office.below, office.elsewhere)
    async with office.reads() as reads:
        found = await identity.departments_of(reads, [both.id])
    assert [row.id for row in found[both.id]] == [office.below]


async def test_gives_departments_by_code_inside_the_scope(office: Office) -> None:
    codes = [await office.code(key) for key in (office.below, office.elsewhere)]
    async with office.reads() as reads:
        found = await identity.departments_by_code(reads, [*codes, "company", "nil"])
    assert [row.id for row in found.values()] == [office.below]


async def test_pages_through_the_members_of_departments_in_one_statement(office: Office) -> None:
    names = ["Ada", "Bob", "Cyd"]
    users = [await office.rows.person(office.below, full_name=name) for name in names]
    await office.rows.person(office.elsewhere, full_name="Dan")
    page = Page(2, order=BY_NAME)
    async with office.reads() as reads:
        found = await identity.Members(page)(reads, [office.below, office.place, office.elsewhere])
        first = found[office.below]
        after = cursor_of(first.rows[-1], BY_NAME)
        rest = await identity.Members(Page(2, after=after, order=BY_NAME))(reads, [office.below])
        last = await identity.Members(Page(2, backward=True, order=BY_NAME))(reads, [office.below])
    assert [row.id for row in first.rows] == [user.id for user in users[:2]]
    assert (first.has_next, first.has_previous) == (True, False)
    assert [row.full_name for row in rest[office.below].rows] == ["Cyd"]
    assert [row.full_name for row in last[office.below].rows] == ["Bob", "Cyd"]
    assert [row.id for row in found[office.place].rows] == [office.manager.id]
    assert found[office.elsewhere].rows == []


async def test_counts_the_members_that_a_filter_lets_through(office: Office) -> None:
    await office.rows.person(office.below, full_name="Ada", is_active=False)
    await office.rows.person(office.below, full_name="Bob")
    await office.rows.person(office.elsewhere, full_name="Cyd")
    keys = [office.below, office.place, office.elsewhere]
    active = (Condition("is_active", Operator.IS, value=True),)
    async with office.reads() as reads:
        everybody = await identity.MemberCounts(())(reads, keys)
        some = await identity.MemberCounts(active)(reads, keys)
        filtered = await identity.Members(Page(5, conditions=active))(reads, keys)
    assert everybody == {office.below: 2, office.place: 1, office.elsewhere: 0}
    assert some == {office.below: 1, office.place: 1, office.elsewhere: 0}
    assert [row.full_name for row in filtered[office.below].rows] == ["Bob"]


def test_pages_are_one_batch_when_they_are_equal_and_only_then() -> None:
    def active(value: bool) -> tuple[Condition, ...]:  # noqa: FBT001 (a column's value)
        return (Condition("is_active", Operator.IS, value=value),)

    same = identity.Members(Page(2, conditions=active(value=True)))
    assert same == identity.Members(Page(2, conditions=active(value=True)))
    for other in (Page(3, conditions=active(value=True)), Page(2, conditions=active(value=False))):
        assert same != identity.Members(other)
    assert identity.MemberCounts(active(value=True)) == identity.MemberCounts(active(value=True))
    assert identity.MemberCounts(active(value=True)) != identity.MemberCounts(active(value=False))


async def test_shows_of_people_only_oneself_without_the_permission_to_read_them(
    office: Office,
) -> None:
    alone = await office.rows.person(office.place, roles=())
    async with office.reads(alone) as reads:
        assert set(await reads.by_keys(User, [alone.id, office.manager.id])) == {alone.id}
        assert await reads.count(User, ()) == 1
        found = await identity.departments_of(reads, [alone.id, office.manager.id])
        assert [row.id for row in found[alone.id]] == [office.place]
        assert found[office.manager.id] == []
        assert (await identity.roles_of(reads, [office.manager.id]))[office.manager.id] == []
        members = await identity.Members(Page(9))(reads, [office.place])
        assert [row.id for row in members[office.place].rows] == [alone.id]
