"""New passwords and confirmed addresses, by letters with codes that work once."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from domain.bell import Silence
from graph.app import create_app
from tests.domain.identity.conftest import compared
from tests.factories.rows import PASSWORD
from tests.graph.asking import Counter
from tests.graph.identity.conftest import Graph
from tests.graph.identity.test_mutations import mutation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.settings import Settings
    from tests.domain.identity.conftest import Office

__all__ = ["compared"]

NEW = "an entirely new password"
REQUEST = mutation("requestPasswordReset", "accepted")
RESET = mutation("resetPassword", "done")
VERIFY = mutation("verifyEmail", "done")
REQUEST_VERIFICATION = "mutation { requestEmailVerification { accepted } }"
LOGIN = mutation("login", "accessToken")
VIEWER = "{ viewer { user { isVerified } } }"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has letters carried without the pause."""
    monkeypatch.setattr("domain.post.PAUSE_SECONDS", 0)


@pytest.fixture
async def letters(
    settings: Settings, office: Office, tmp_path: Path
) -> AsyncIterator[tuple[Graph, Path]]:
    """A graph whose letters are written into a folder."""
    folder = tmp_path / "letters"
    app = create_app(settings.model_copy(update={"mail_folder": folder}), Silence())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://graph") as http,
    ):
        yield Graph(http, office), folder


async def code_of(folder: Path, email: str) -> str:
    """The code in the newest letter to an address, once it is there."""
    async with asyncio.timeout(5):
        while True:
            for path in sorted(folder.glob("*.eml"), key=lambda p: -p.stat().st_mtime_ns):
                letter = message_from_bytes(path.read_bytes(), policy=policy.default)
                if letter["To"] == email and (
                    found := re.findall(r"^ {4}(\S+)$", text(letter), re.MULTILINE)
                ):
                    path.unlink()
                    code: str = found[0]
                    return code
            await asyncio.sleep(0.02)


def text(letter: Any) -> str:
    content: str = letter.get_content()
    return content


async def signs_in(graph: Graph, email: str, password: str) -> bool:
    answer = await graph.ask(LOGIN, input={"email": email, "password": password})
    return "errors" not in answer


async def test_a_letter_sets_a_new_password_and_ends_all_sessions(
    letters: tuple[Graph, Path],
) -> None:
    graph, folder = letters
    manager = graph.office.manager
    await graph.data(REQUEST, input={"email": manager.email.upper()})
    code = await code_of(folder, manager.email)
    assert (await graph.data(VIEWER, manager))["viewer"]["user"]["isVerified"] is False
    await graph.data(RESET, input={"code": code, "newPassword": NEW})
    assert await graph.code(VIEWER, manager) == "UNAUTHENTICATED"
    row = await graph.office.row("sessions", manager.session_id)
    assert row.revoked_reason == "password_reset"
    assert await signs_in(graph, manager.email, NEW)
    assert not await signs_in(graph, manager.email, PASSWORD)
    assert (await graph.office.row("users", manager.id)).is_verified


async def test_a_letter_opens_an_account_that_was_locked_out(letters: tuple[Graph, Path]) -> None:
    graph, folder = letters
    manager = graph.office.manager
    await graph.office.rows.connection.execute(
        "update users set locked_until = now() + interval '1 hour', failed_login_count = 9 "
        "where id = $1",
        manager.id,
    )
    await graph.data(REQUEST, input={"email": manager.email})
    code = await code_of(folder, manager.email)
    await graph.data(RESET, input={"code": code, "newPassword": NEW})
    assert await signs_in(graph, manager.email, NEW)


async def test_a_code_works_once_and_uses_up_those_before_it(letters: tuple[Graph, Path]) -> None:
    graph, folder = letters
    manager = graph.office.manager
    codes = []
    for _ in range(2):
        await graph.data(REQUEST, input={"email": manager.email})
        codes.append(await code_of(folder, manager.email))
    both = [graph.ask(RESET, input={"code": codes[1], "newPassword": f"{NEW} {n}"}) for n in (1, 2)]
    answers = await asyncio.gather(*both)
    assert sorted("errors" in answer for answer in answers) == [False, True]
    for code in codes:
        given = {"code": code, "newPassword": "yet another password"}
        assert await graph.code(RESET, input=given) == "INVALID_INPUT"


@pytest.mark.parametrize("code", ["", "made-up", "x" * 5000, "' or true --"])
async def test_a_code_that_is_none_changes_nothing_and_orders_no_work(
    letters: tuple[Graph, Path], code: str, compared: list[bytes]
) -> None:
    graph, _ = letters
    assert await graph.code(RESET, input={"code": code, "newPassword": NEW}) == "INVALID_INPUT"
    assert await graph.code(VERIFY, input={"code": code}) == "INVALID_INPUT"
    assert compared == []


async def test_an_expired_code_and_one_for_something_else_are_refused(
    letters: tuple[Graph, Path],
) -> None:
    graph, folder = letters
    manager, connection = graph.office.manager, graph.office.rows.connection
    await graph.data(REQUEST_VERIFICATION, manager)
    code = await code_of(folder, manager.email)
    assert await graph.code(RESET, input={"code": code, "newPassword": NEW}) == "INVALID_INPUT"
    await connection.execute("update one_time_codes set expires_at = now()")
    assert await graph.code(VERIFY, input={"code": code}) == "INVALID_INPUT"


async def test_a_closed_account_gets_no_letter_and_takes_no_code(
    letters: tuple[Graph, Path],
) -> None:
    graph, folder = letters
    connection = graph.office.rows.connection
    closed = await graph.office.rows.person(graph.office.place, is_active=False)
    leaver = await graph.office.rows.person(graph.office.place)
    for person in (closed, leaver):
        await graph.data(REQUEST, input={"email": person.email})
    code = await code_of(folder, leaver.email)
    assert list(folder.glob("*.eml")) == []
    await connection.execute("update users set is_active = false where id = $1", leaver.id)
    assert await graph.code(RESET, input={"code": code, "newPassword": NEW}) == "INVALID_INPUT"


async def test_a_password_that_breaks_a_rule_leaves_the_code_good(
    letters: tuple[Graph, Path],
) -> None:
    graph, folder = letters
    manager = graph.office.manager
    await graph.data(REQUEST, input={"email": manager.email})
    code = await code_of(folder, manager.email)
    assert await graph.code(RESET, input={"code": code, "newPassword": "short"}) == "INVALID_INPUT"
    assert await graph.data(RESET, input={"code": code, "newPassword": NEW})


async def test_confirms_ones_own_address(letters: tuple[Graph, Path]) -> None:
    graph, folder = letters
    manager = graph.office.manager
    assert await graph.code(REQUEST_VERIFICATION) == "UNAUTHENTICATED"
    await graph.data(REQUEST_VERIFICATION, manager)
    code = await code_of(folder, manager.email)
    await graph.data(VERIFY, input={"code": code})
    assert (await graph.data(VIEWER, manager))["viewer"]["user"]["isVerified"] is True
    assert await graph.code(VERIFY, input={"code": code}) == "INVALID_INPUT"
    assert await graph.code(REQUEST_VERIFICATION, manager) == "CONFLICT"


async def test_a_code_for_an_address_that_changed_confirms_nothing(
    letters: tuple[Graph, Path],
) -> None:
    graph, folder = letters
    manager = graph.office.manager
    await graph.data(REQUEST_VERIFICATION, manager)
    code = await code_of(folder, manager.email)
    await graph.office.rows.connection.execute(
        "update users set email = $2 where id = $1", manager.id, f"{uuid4().hex}@example.com"
    )
    assert await graph.code(VERIFY, input={"code": code}) == "INVALID_INPUT"


async def test_letters_are_limited_for_an_address_whoever_has_it(
    letters: tuple[Graph, Path],
) -> None:
    graph, _ = letters
    for email in (graph.office.manager.email, f"{uuid4().hex}@example.com"):
        answers = [await graph.ask(REQUEST, input={"email": email}) for _ in range(11)]
        codes = [
            answer.get("errors", [{}])[0].get("extensions", {}).get("code") for answer in answers
        ]
        assert codes == [None] * 10 + ["RATE_LIMITED"]


async def test_without_post_nobody_is_promised_a_letter(graph: Graph) -> None:
    for email in (graph.office.manager.email, f"{uuid4().hex}@example.com"):
        assert await graph.code(REQUEST, input={"email": email}) == "UNAVAILABLE"
    assert await graph.code(REQUEST_VERIFICATION, graph.office.manager) == "UNAVAILABLE"


async def test_codes_are_in_letters_alone(
    letters: tuple[Graph, Path], caplog: pytest.LogCaptureFixture
) -> None:
    graph, folder = letters
    manager = graph.office.manager
    caplog.set_level(0)
    await graph.data(REQUEST, input={"email": manager.email})
    code = await code_of(folder, manager.email)
    await graph.data(RESET, input={"code": code, "newPassword": NEW})
    connection = graph.office.rows.connection
    for table in ("one_time_codes", "audit_logs", "users", "login_attempts"):
        rows = await connection.fetch(f"select t::text as text from {table} t")  # noqa: S608
        assert all(code not in row.text and NEW not in row.text for row in rows), table
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "asyncio"))]
    assert not any(code in line or NEW in line or manager.email in line for line in ours)


async def test_fifty_known_and_fifty_unknown_addresses_take_the_same_work(
    letters: tuple[Graph, Path], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.post.PAUSE_SECONDS", 3600)
    graph, _ = letters
    known = [(await office.rows.person(office.place)).email for _ in range(50)]
    unknown = [f"{uuid4().hex}@example.com" for _ in range(50)]
    counter = Counter(monkeypatch)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    works = set()
    headers = {"x-request-id": "same"}
    pairs = list(zip(times, (known, unknown), strict=True))
    for number in range(50):
        # Whoever comes first in one round comes last in the next.
        for kind, emails in pairs if number % 2 else reversed(pairs):
            email = emails[number]
            counter.texts.clear()
            body = {"query": REQUEST, "variables": {"input": {"email": email}}}
            began = time.perf_counter()
            answer = await graph.http.post("/graphql", json=body, headers=headers)
            times[kind].append(time.perf_counter() - began)
            assert answer.json() == {"data": {"requestPasswordReset": {"accepted": True}}}
            works.add(tuple(counter.texts))
    assert len(works) == 1
    medians = {kind: statistics.median(taken) for kind, taken in times.items()}
    # What only one of them had, such as a comparison of passwords, takes many times as long.
    assert max(medians.values()) < 2 * min(medians.values())
