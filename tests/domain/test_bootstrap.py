from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from domain.bell import Silence
from domain.bootstrap import add_user, bootstrap, issue_token
from domain.database import Database
from domain.errors import DomainError, Duplicate, InvalidInput, NotFound
from domain.identity.actions.sessions import SignedIn, login
from domain.identity.tokens import Tokens
from domain.scope import Identity, Origin
from domain.work import working
from tests.factories.databases import connected
from tests.factories.fixtures import own_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from domain.settings import Settings
    from tests.conftest import Servers

PASSWORD = "a first password"


@pytest.fixture
def empty(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """Settings of a database without accounts."""
    yield from own_database(servers, process_number, settings, "bootstrap")


@pytest.fixture
def url(empty: Settings) -> str:
    assert empty.owner_database_url
    return empty.owner_database_url.get_secret_value()


@pytest.fixture
async def own(url: str) -> AsyncIterator[Any]:
    async with connected(url) as connection:
        yield connection


async def signed_in(settings: Settings, email: str, password: str) -> SignedIn:
    database = Database(settings)
    await database.open()
    try:
        return await login(database, Silence(), Tokens(settings), email, password, Origin())
    finally:
        await database.close()


async def scope_of(settings: Settings, identity: Identity) -> tuple[set[Any], set[str]]:
    database = Database(settings)
    await database.open()
    try:
        async with working(database, identity, Silence()) as work:
            work.own()
            return set(work.scope.departments), set(work.scope.permissions)
    finally:
        await database.close()


async def test_makes_an_account_for_each_department_and_default_workspaces_once(
    empty: Settings, url: str, own: Any
) -> None:
    assert await bootstrap(url, PASSWORD) == PASSWORD
    people = await own.fetch(
        "select u.email, d.code, r.name as role from users u "
        "join user_departments ud on ud.user_id = u.id "
        "join departments d on d.id = ud.department_id "
        "join user_roles ur on ur.user_id = u.id join roles r on r.id = ur.role_id order by u.id"
    )
    assert [tuple(row) for row in people] == [
        ("admin@aetherflow.local", "company", "admin"),
        ("sales@aetherflow.local", "sales", "editor"),
        ("supply@aetherflow.local", "supply", "editor"),
        ("finance@aetherflow.local", "finance", "editor"),
    ]
    workspaces = await own.fetch(
        "select d.code, w.name = d.name as named, u.email from workspaces w "
        "join departments d on d.id = w.department_id join users u on u.id = w.owner_id "
        "where w.is_default order by w.id"
    )
    assert [tuple(row) for row in workspaces] == [
        ("company", True, "admin@aetherflow.local"),
        ("sales", True, "sales@aetherflow.local"),
        ("supply", True, "supply@aetherflow.local"),
        ("finance", True, "finance@aetherflow.local"),
    ]
    for email in ("admin@aetherflow.local", "sales@aetherflow.local"):
        opened = await signed_in(empty, email, PASSWORD)
        departments, _ = await scope_of(empty, Identity(opened.user_id, opened.session_id))
        assert len(departments) == (4 if email.startswith("admin") else 1)
    hashes = await own.fetch("select distinct password_hash from users")
    assert len(hashes) == 4
    assert await bootstrap(url, "another password") is None
    assert await own.fetchval("select count(*) from users") == 4


async def test_makes_a_strong_password_where_none_is_given(empty: Settings, url: str) -> None:
    password = await bootstrap(url, None)
    assert password is not None
    assert len(password) == 24
    await signed_in(empty, "finance@aetherflow.local", password)


async def test_two_starts_at_once_make_the_accounts_once(url: str, own: Any) -> None:
    made = await asyncio.gather(bootstrap(url, None), bootstrap(url, None))
    assert sum(password is not None for password in made) == 1
    assert await own.fetchval("select count(*) from users") == 4


@pytest.mark.parametrize("password", ["1234567", "x" * 73])
async def test_refuses_a_password_that_breaks_a_rule(url: str, own: Any, password: str) -> None:
    with pytest.raises(InvalidInput):
        await bootstrap(url, password)
    assert await own.fetchval("select count(*) from users") == 0


async def test_adds_an_account_even_before_the_first_ones(
    empty: Settings, url: str, own: Any
) -> None:
    user_id = await add_user(
        url, "Ann@Example.com", "Ann", PASSWORD, ["sales", "supply"], ["manager"]
    )
    opened = await signed_in(empty, "ann@example.com", PASSWORD)
    assert opened.user_id == user_id
    departments, permissions = await scope_of(empty, Identity(user_id, opened.session_id))
    assert len(departments) == 2
    assert "user:write" in permissions
    assert await own.fetchval("select count(*) from workspaces where is_default") == 4


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"email": "ann"}, InvalidInput),
        ({"full_name": ""}, InvalidInput),
        ({"password": "short"}, InvalidInput),
        ({"departments": ["nil"]}, NotFound),
        ({"roles": ["emperor"]}, NotFound),
        ({"email": "bob@example.com"}, Duplicate),
    ],
)
async def test_adds_nothing_where_anything_is_wrong(
    url: str, own: Any, change: dict[str, Any], kind: type[DomainError]
) -> None:
    given: dict[str, Any] = {
        "email": "bob@example.com",
        "full_name": "Bob",
        "password": None,
        "departments": ["sales"],
        "roles": ["viewer"],
    }
    await add_user(url, **given)
    given = given | {"email": "ann@example.com"} | change
    with pytest.raises(kind):
        await add_user(url, **given)
    assert await own.fetchval("select count(*) from users") == 1


async def test_issues_a_token_without_a_password_for_active_accounts_alone(
    empty: Settings, url: str, own: Any
) -> None:
    user_id = await add_user(url, "ann@example.com", "Ann", None, ["sales"], [])
    claims = Tokens(empty).verified_access(await issue_token(empty, "Ann@example.com"))
    assert claims.user_id == user_id
    assert len((await scope_of(empty, Identity(user_id, claims.session_id)))[0]) == 1
    session = await own.fetchrow("select * from sessions")
    assert session.user_agent == "aetherflow token"
    assert abs((session.expires_at - claims.expires_at).total_seconds()) < 5
    await own.execute("update users set is_active = false")
    for email in ("ann@example.com", "nobody@example.com"):
        with pytest.raises(NotFound):
            await issue_token(empty, email)
    assert await own.fetchval("select count(*) from sessions") == 1
