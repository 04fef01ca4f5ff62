from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import bcrypt
import pytest

from domain.bell import Silence
from domain.errors import DomainError, Unauthenticated
from domain.identity.actions import proof, sessions
from domain.identity.actions.sessions import SignedIn, login, logout, refresh_session
from domain.identity.passwords import STAND_IN, verify
from domain.scope import Identity, Origin
from domain.work import Work, working
from tests.factories.rows import PASSWORD, PASSWORD_HASH, Person

if TYPE_CHECKING:
    from tests.domain.identity.conftest import Office

WRONG = "not the password"


async def signed_in(
    office: Office, email: str, password: str = PASSWORD, device: Origin | None = None
) -> SignedIn:
    return await login(
        office.database, Silence(), office.tokens, email, password, device or Origin()
    )


async def refreshed(office: Office, token: str) -> SignedIn:
    return await refresh_session(office.database, Silence(), office.tokens, token, Origin())


async def holds(office: Office, access_token: str) -> bool:
    """Whether an access token opens a transaction."""
    claims = office.tokens.verified_access(access_token)
    identity = Identity(claims.user_id, claims.session_id)
    try:
        async with working(office.database, identity, Silence()) as work:
            work.own()
    except Unauthenticated:
        return False
    return True


async def refusal(attempt: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value


async def set_user(office: Office, user_id: UUID, assignments: str) -> None:
    await office.rows.connection.execute(
        f"update users set {assignments} where id = $1",  # noqa: S608 (a test's own words)
        user_id,
    )


async def lock_seconds(office: Office, user_id: UUID) -> float | None:
    found: float | None = await office.rows.connection.fetchval(
        "select extract(epoch from locked_until - now())::float from users where id = $1", user_id
    )
    return found


async def test_opens_a_session_whose_tokens_hold(office: Office) -> None:
    device = Origin("Browser " + "x" * 600, "192.0.2.7")
    email = f" {office.manager.email.upper()} "
    opened = await signed_in(office, email, device=device)
    session = await office.row("sessions", opened.session_id)
    assert (session.user_id, session.generation) == (office.manager.id, 1)
    assert (str(session.ip_address), len(session.user_agent)) == ("192.0.2.7", 500)
    days = (session.expires_at - session.created_at).total_seconds() / 86400
    assert days == pytest.approx(30, abs=0.01)
    assert (await office.row("users", office.manager.id)).last_login_at is not None
    assert opened.user_id == office.manager.id
    assert await holds(office, opened.access_token)
    assert (await refreshed(office, opened.refresh_token)).session_id == opened.session_id


@pytest.mark.parametrize("address", [None, "", "a socket's name", "::1"])
async def test_an_address_that_is_none_keeps_nobody_out(
    office: Office, address: str | None
) -> None:
    opened = await signed_in(office, office.manager.email, device=Origin(None, address))
    found = (await office.row("sessions", opened.session_id)).ip_address
    assert found is None if address != "::1" else str(found) == "::1"


async def test_gives_one_answer_for_one_piece_of_work_whatever_is_wrong(
    office: Office, compared: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = office.rows
    wrong = await rows.person(office.place)
    locked = await rows.person(office.place)
    await set_user(office, locked.id, "locked_until = now() + interval '1 hour'")
    inactive = await rows.person(office.place, is_active=False)
    deleted = await rows.person(office.place)
    await set_user(office, deleted.id, "deleted_at = now()")
    without = await rows.person(office.place, password_hash=None)
    texts: list[str] = []
    run = Work.rows

    async def noted(self: Work, executable: Any, model: Any = None, **values: Any) -> Any:
        texts.append(getattr(executable, "text", None) or str(executable))
        return await run(self, executable, model, **values)

    monkeypatch.setattr(Work, "rows", noted)
    cases = {
        "unknown": (f"{uuid4().hex}@example.com", PASSWORD),
        "no address": ("\0", PASSWORD),
        "half a letter": ("\ud800", PASSWORD),
        "wrong": (wrong.email, WRONG),
        "empty": (wrong.email, ""),
        "too long": (wrong.email, PASSWORD * 5),
        "locked": (locked.email, PASSWORD),
        "locked and wrong": (locked.email, WRONG),
        "inactive": (inactive.email, PASSWORD),
        "deleted": (deleted.email, PASSWORD),
        "without password": (without.email, PASSWORD),
    }
    answers, works, hashes = set(), set(), []
    for email, password in cases.values():
        texts.clear()
        error = await refusal(signed_in(office, email, password))
        answers.add((type(error), error.message, error.fields))
        works.add(tuple(texts))
        hashes.append(len(compared))
    assert len(answers) == 1
    assert len(works) == 1
    assert hashes == list(range(1, len(cases) + 1))
    assert set(compared) == {STAND_IN, PASSWORD_HASH.encode()}


async def test_holds_no_connection_while_it_computes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, held = bcrypt.checkpw, []

    def looked(password: bytes, hashed: bytes) -> bool:
        pool: Any = office.database._pool
        held.append(pool.get_size() - pool.get_idle_size())
        return compare(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", looked)
    await signed_in(office, office.manager.email)
    assert held == [0]


async def test_the_fifth_failure_locks_for_a_minute_and_each_further_one_for_twice_as_long(
    office: Office,
) -> None:
    person = office.manager
    for _ in range(4):
        await refusal(signed_in(office, person.email, WRONG))
        assert await lock_seconds(office, person.id) is None
    locks = []
    for _ in range(8):
        await refusal(signed_in(office, person.email, WRONG))
        locks.append(await lock_seconds(office, person.id))
        await set_user(office, person.id, "locked_until = now()")
        # The lock is looked at beyond the attempts of one window.
        await office.rows.connection.execute("delete from login_attempts")
    expected = [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert locks == [pytest.approx(seconds, abs=5) for seconds in expected]


async def test_a_great_many_failures_still_only_lock(office: Office) -> None:
    await set_user(office, office.manager.id, "failed_login_count = 100000")
    await refusal(signed_in(office, office.manager.email, WRONG))
    assert await lock_seconds(office, office.manager.id) == pytest.approx(3600, abs=5)


async def test_a_locked_account_opens_for_nobody_and_counts_nothing(office: Office) -> None:
    person = office.manager
    for _ in range(5):
        await refusal(signed_in(office, person.email, WRONG))
    async with office.unchanged():
        await refusal(signed_in(office, person.email))
        await refusal(signed_in(office, person.email, WRONG))
    await set_user(office, person.id, "locked_until = now()")
    await signed_in(office, person.email)
    row = await office.row("users", person.id)
    assert (row.failed_login_count, row.locked_until) == (0, None)


async def test_the_failures_of_one_account_lock_no_other(office: Office) -> None:
    other = await office.rows.person(office.place)
    for _ in range(5):
        await refusal(signed_in(office, other.email, WRONG))
    assert await lock_seconds(office, office.manager.id) is None
    await signed_in(office, office.manager.email)


async def test_attempts_at_once_are_all_counted_and_the_right_one_comes_too_late(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, others_settled = asyncio.Event(), asyncio.Event()

    async def held_back(password: str, hashed: str | None) -> bool:
        is_right = await verify(password, hashed)
        if is_right:
            compared.set()
            await others_settled.wait()
        return is_right

    monkeypatch.setattr(proof, "verify", held_back)
    right = asyncio.ensure_future(signed_in(office, office.manager.email))
    await compared.wait()
    attempts = [signed_in(office, office.manager.email, WRONG) for _ in range(8)]
    ended = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(end) for end in ended] == [Unauthenticated] * 8
    others_settled.set()
    assert (await refusal(right)).message == sessions.REFUSED
    assert (await office.row("users", office.manager.id)).failed_login_count == 5


@pytest.mark.parametrize(
    "meanwhile",
    [
        "password_hash = '$2b$04$' || repeat('x', 53)",
        "is_active = false",
        "deleted_at = now()",
        "locked_until = now() + interval '1 minute'",
    ],
)
async def test_refuses_what_ceased_to_be_right_while_it_computed(
    office: Office, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(password: str, hashed: str | None) -> bool:
        await set_user(office, office.manager.id, meanwhile)
        return await verify(password, hashed)

    monkeypatch.setattr(proof, "verify", overtaken)
    before = await office.rows.connection.fetchval("select count(*) from sessions")
    assert (await refusal(signed_in(office, office.manager.email))).message == sessions.REFUSED
    assert await office.rows.connection.fetchval("select count(*) from sessions") == before


async def test_rotates_the_refresh_token_and_extends_the_session(office: Office) -> None:
    first = await signed_in(office, office.manager.email)
    before = await office.row("sessions", first.session_id)
    second = await refreshed(office, first.refresh_token)
    third = await refreshed(office, second.refresh_token)
    after = await office.row("sessions", first.session_id)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.session_id == first.session_id
    assert (after.generation, after.revoked_at) == (3, None)
    assert after.expires_at > before.expires_at
    assert await holds(office, third.access_token)


async def test_a_refresh_token_that_comes_again_ends_its_whole_family(office: Office) -> None:
    first = await signed_in(office, office.manager.email)
    other = await signed_in(office, office.manager.email)
    second = await refreshed(office, first.refresh_token)
    assert isinstance(await refusal(refreshed(office, first.refresh_token)), Unauthenticated)
    session = await office.row("sessions", first.session_id)
    assert session.revoked_reason == "reuse"
    assert session.revoked_at is not None
    assert isinstance(await refusal(refreshed(office, second.refresh_token)), Unauthenticated)
    assert not await holds(office, second.access_token)
    assert await holds(office, other.access_token)


async def test_of_exchanges_at_once_exactly_one_wins_and_its_session_lives(
    office: Office,
) -> None:
    for _ in range(5):
        first = await signed_in(office, office.manager.email)
        ends = await asyncio.gather(
            *(refreshed(office, first.refresh_token) for _ in range(2)), return_exceptions=True
        )
        winners = [end for end in ends if isinstance(end, SignedIn)]
        assert len(winners) == 1
        assert sum(isinstance(end, Unauthenticated) for end in ends) == 1


async def test_an_exchange_that_overlaps_another_is_refused_and_ends_nothing(
    office: Office,
) -> None:
    first = await signed_in(office, office.manager.email)
    async with office.rows.connection.transaction():
        # Another exchange, as far as having moved the generation on, and not yet committed.
        await office.rows.connection.execute(
            "update sessions set generation = 2 where id = $1", first.session_id
        )
        late = asyncio.ensure_future(refreshed(office, first.refresh_token))
        await asyncio.sleep(0.2)
        assert not late.done()
    assert isinstance(await refusal(late), Unauthenticated)
    session = await office.row("sessions", first.session_id)
    assert (session.generation, session.revoked_at) == (2, None)


@pytest.mark.parametrize(
    "ended",
    [
        "update sessions set expires_at = now() where id = $1",
        "update sessions set revoked_at = now(), revoked_reason = 'logout' where id = $1",
        "update users u set is_active = false from sessions s where s.id = $1 and s.user_id = u.id",
        "delete from sessions where id = $1",
    ],
)
async def test_refuses_the_token_of_a_session_that_ended(office: Office, ended: str) -> None:
    opened = await signed_in(office, office.manager.email)
    await office.rows.connection.execute(ended, opened.session_id)
    async with office.unchanged():
        error = await refusal(refreshed(office, opened.refresh_token))
    assert error.message == sessions.ENDED
    assert not await holds(office, opened.access_token)


async def test_refuses_a_token_that_names_the_session_of_another(office: Office) -> None:
    other = await office.rows.person(office.place)
    row = await office.row("sessions", other.session_id)
    forged = office.tokens.refresh(office.manager.id, row.id, 1, row.expires_at)
    async with office.unchanged():
        assert (await refusal(refreshed(office, forged))).message == sessions.ENDED


async def test_logout_ends_this_session_alone_and_can_be_repeated(office: Office) -> None:
    opened = await signed_in(office, office.manager.email)
    other = await signed_in(office, office.manager.email)
    identity = Identity(opened.user_id, opened.session_id)
    await logout(office.database, Silence(), identity, Origin())
    session = await office.row("sessions", opened.session_id)
    assert session.revoked_reason == "logout"
    assert not await holds(office, opened.access_token)
    assert isinstance(await refusal(refreshed(office, opened.refresh_token)), Unauthenticated)
    assert await holds(office, other.access_token)
    async with office.unchanged():
        await logout(office.database, Silence(), identity, Origin())


async def test_logout_does_not_end_the_session_of_another(office: Office) -> None:
    other: Person = await office.rows.person(office.place)
    async with office.unchanged():
        identity = Identity(office.manager.id, other.session_id)
        await logout(office.database, Silence(), identity, Origin())
