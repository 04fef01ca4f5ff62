"""No field, argument, mutation or subscription tells or changes anything of another department.

Each caller asks everything that the schema can be asked, with the ids, cursors and words of the
others, over every way in. Twice: as it is, and with the filter taken out, so that row-level
security stands alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from graphql import extend_schema, parse

from domain.identity.tokens import Tokens
from domain.paging import NEWEST
from graph.schema import schema
from tests.factories.databases import connected
from tests.factories.fixtures import own_database
from tests.factories.rows import Rows
from tests.graph.leaks.catalogue import Catalogue
from tests.graph.leaks.holdings import DEPARTMENTS, Holding, World, world_of
from tests.graph.leaks.others import WRITTEN, of_others
from tests.graph.leaks.questions import NODE_TYPES, everything
from tests.graph.leaks.search import Secrets
from tests.graph.leaks.serving import OwnBell, served, without_the_filter
from tests.graph.leaks.ways import WAYS, Caller
from tests.migrations.policies import CHANGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.graph.leaks.ways import Answer

SCHEMA = schema()._schema
GUARDS = ("filter and security", "security alone")
REFUSED = {
    "Mutation.moveDepartment",
    "Mutation.removeDepartment",
    "Mutation.startJob",
    # Without a letter and without an identity provider there is nothing to prove with.
    "Mutation.requestPasswordReset",
    "Mutation.resetPassword",
    "Mutation.requestEmailVerification",
    "Mutation.verifyEmail",
    "Mutation.completeSignIn",
    "Mutation.linkIdentity",
    "Mutation.completeLink",
    # Changing the password has ended it before.
    "Mutation.revokeSession",
}
"""Changes for which a caller has nothing of its own at hand; all others are carried out."""

CALLERS = (*DEPARTMENTS, "powerless")
TABLES = (
    "departments",
    "users",
    "workspaces",
    "datasets",
    "uploads",
    "jobs",
    "job_attempts",
    "results",
)


@pytest.fixture(scope="module", params=GUARDS)
def guard(request: pytest.FixtureRequest) -> Iterator[str]:
    taken_out = without_the_filter() if request.param == GUARDS[1] else contextlib.nullcontext()
    with taken_out:
        yield request.param


@pytest.fixture(scope="module")
def settings(
    servers: Servers, process_number: int, settings: Settings, guard: str
) -> Iterator[Settings]:
    """A database for each of the two, whose departments are nobody else's."""
    yield from own_database(servers, process_number, settings, f"leaks_{GUARDS.index(guard)}")


@pytest.fixture(scope="module")
def world(settings: Settings) -> World:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def make() -> World:
        async with connected(url) as connection:
            return await world_of(connection, Tokens(settings))

    return asyncio.run(make())


@dataclass
class Visit:
    """One caller at the running application, and what it must not learn."""

    caller: Caller
    catalogue: Catalogue
    secrets: Secrets
    mine: Holding
    owner: Any
    bell: OwnBell
    world: World

    def leaks(self, answers: list[Answer]) -> list[str]:
        """What the answers tell of others."""
        return [
            f"{answer.question.name}{told}"
            for answer in answers
            for told in self.secrets.told(answer.results, answer.question.given)
        ]

    async def happen(self) -> None:
        """Has something happen to a job of each department, and rings."""
        for holding in self.world.holdings.values():
            job = holding.realm.row("jobs")
            await Rows(self.owner, holding.mark).event(job, message=f"{holding.mark} live")
        await self.bell.events()


@contextlib.asynccontextmanager
async def visiting(settings: Settings, world: World, code: str) -> AsyncIterator[Visit]:
    mine = world.holdings["sales" if code == "powerless" else code]
    person = world.powerless if code == "powerless" else mine.realm.person
    others = world.others(mine.code)
    bell = OwnBell()
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()
    async with (
        served(settings, bell) as address,
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
        connected(url) as owner,
    ):
        # The wrong passwords that others tried before would keep everybody out.
        await owner.execute("delete from login_attempts")
        session = await Rows(owner).session(person.id)
        token, _ = Tokens(settings).access(person.id, session.id)
        caller = Caller(address, token, client)
        catalogue = Catalogue(SCHEMA, mine, others)
        yield Visit(caller, catalogue, Secrets.of(others), mine, owner, bell, world)


def ways_of(guard: str) -> tuple[str, ...]:
    """The ways in that are walked: all of them, or one for the walk without the filter."""
    return WAYS if guard == GUARDS[0] else WAYS[:1]


def assert_whole(answers: list[Answer]) -> None:
    """Whatever was asked was answered or refused; nothing went wrong."""
    for answer in answers:
        assert answer.results, answer.question
        assert "INTERNAL" not in answer.codes, (answer.question, answer.results)


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something has come about, or fails."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (answers come from outside, and signal nothing)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("code", CALLERS)
async def test_no_query_tells_anything_of_others(
    settings: Settings, world: World, guard: str, code: str
) -> None:
    async with visiting(settings, world, code) as visit:
        questions = list(visit.catalogue.queries())
        for way in ways_of(guard):
            answers = await visit.caller.ask(way, questions)
            assert_whole(answers)
            assert visit.leaks(answers) == [], way
            assert_counts_what_is_seen(answers)
            if code != "powerless":
                # Who looks this closely sees all of its own, so others' would have been seen too.
                own = {row.id for type_name in NODE_TYPES for row in visit.mine.rows(type_name)}
                seen = Secrets.of([visit.mine]).keys_in([a.results for a in answers])
                assert own <= seen, way


def assert_counts_what_is_seen(answers: list[Answer]) -> None:
    """A list that is shown whole counts exactly what it shows."""
    for answer in answers:
        data = answer.results[0].get("data") or {}
        fields = data.get("node") or data
        for alias, value in fields.items():
            bounds = {f"v{alias[1:]}_{bound}" for bound in ("after", "before")}
            is_whole = not bounds & set(answer.question.variables)
            if is_whole and isinstance(value, dict) and "totalCount" in value:
                assert value["totalCount"] == len(value["nodes"]), answer.question.name


@pytest.mark.parametrize("code", CALLERS)
async def test_no_mutation_with_others_things_tells_or_changes_any(
    settings: Settings, world: World, guard: str, code: str
) -> None:
    async with visiting(settings, world, code) as visit:
        department_id = visit.mine.realm.department_id
        before = await of_others(visit.owner, department_id)
        questions = list(visit.catalogue.mutations(of_others=True))
        ways = ways_of(guard)
        answers = []
        for number, way in enumerate(ways):
            answers += await visit.caller.ask(way, questions[number :: len(ways)])
        assert_whole(answers)
        assert visit.leaks(answers) == []
        assert await of_others(visit.owner, department_id) == before
        refused = {answer.question.name for answer in answers if answer.codes}
        assert refused == {question.name for question in questions}


# A stream that is cut while an event is being answered leaves resolvers that nothing awaits:
# graphql-core makes them all before it awaits the first.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("code", CALLERS)
@pytest.mark.parametrize("way", ["websocket", "sse"])
async def test_no_subscription_tells_anything_of_others(
    settings: Settings, world: World, guard: str, code: str, way: str
) -> None:
    async with visiting(settings, world, code) as visit:
        questions = list(visit.catalogue.subscriptions())
        async with visit.caller.following(way, questions) as answers:
            followed = visit.catalogue.following_own(answers)
            foreign = [answer for answer in answers if answer not in followed]
            await until(lambda: all(answer.results for answer in foreign))
            # The filter asks for the permission to read, too.
            if code != "powerless" or guard == GUARDS[1]:
                snapshots = [a for a in followed if "v0_after" not in a.question.variables]
                await until(lambda: all(answer.results for answer in snapshots))
                await visit.happen()
                live = f"{visit.mine.mark} live"
                streams = [a for a in followed if a.question.name == "Subscription.jobEvents"]
                if code == "powerless":
                    # A whole department is refused before anything of it is read.
                    streams = [a for a in streams if a.codes != {"FORBIDDEN"}]
                await until(lambda: all(live in str(answer.results) for answer in streams))
            else:
                await visit.happen()
            await asyncio.sleep(0.1)
        assert visit.leaks(answers) == []
        for answer in foreign:
            assert answer.codes == {"NOT_FOUND"}, answer
            assert not any(result.get("data") for result in answer.results)


def test_asks_for_every_field_argument_and_input_of_the_schema(world: World) -> None:
    catalogue = Catalogue(SCHEMA, world.holdings["sales"], world.others("sales"))
    questions = [
        *catalogue.queries(),
        *catalogue.mutations(of_others=True),
        *catalogue.mutations(of_others=False),
        *catalogue.subscriptions(),
    ]
    covered = catalogue.covered(questions)
    assert everything(SCHEMA) - covered == set()
    assert len(covered) > 400


@pytest.mark.parametrize(
    "addition",
    [
        "extend type Query { found(secretWord: String!): String }",
        "extend type Dataset { found(secretId: ID): Int }",
        "extend input DatasetFilter { secretWord: String }",
        "extend input StartJobInput { secretId: ID }",
        "extend type Subscription { found(secretId: ID!): Int }",
        "extend type Mutation { find(secretWord: String!): Int }",
    ],
)
def test_does_not_pass_over_what_is_added(world: World, addition: str) -> None:
    grown = extend_schema(SCHEMA, parse(addition))
    catalogue = Catalogue(grown, world.holdings["sales"], world.others("sales"))
    with pytest.raises(KeyError):
        [
            *catalogue.queries(),
            *catalogue.mutations(of_others=True),
            *catalogue.subscriptions(),
        ]


def test_asks_for_a_field_that_is_added_without_arguments(world: World) -> None:
    grown = extend_schema(SCHEMA, parse("extend type Dataset { found: String }"))
    catalogue = Catalogue(grown, world.holdings["sales"], world.others("sales"))
    assert "Dataset.found" in catalogue.covered(list(catalogue.queries()))


@pytest.mark.parametrize("table", TABLES)
async def test_each_guard_holds_alone_and_the_walk_sees_when_none_does(
    settings: Settings, world: World, guard: str, table: str
) -> None:
    """With security off the filter keeps everything; without the filter too, the walk finds it."""
    async with visiting(settings, world, "sales") as visit:
        questions = [
            question
            for question in visit.catalogue.queries()
            if question.name in ("Query.nodes", f"Query.{table}")
        ]
        # Rows are shown with their department alone, so that has to be seen as well.
        async with without_security(visit, table, "departments"):
            answers = await visit.caller.ask("http", questions)
        results = [answer.results for answer in answers]
        assert Secrets.of([visit.mine]).keys_in(results)
        if guard == GUARDS[0]:
            assert visit.leaks(answers) == []
        else:
            theirs = {row.id for held in world.others("sales") for row in held.realm.rows[table]}
            assert visit.secrets.keys_in(results) & theirs


@contextlib.asynccontextmanager
async def without_security(visit: Visit, *tables: str) -> AsyncIterator[None]:
    """Lets tables be read by everybody."""
    try:
        for table in tables:
            await visit.owner.execute(f"alter table {table} disable row level security")
        yield
    finally:
        for table in tables:
            await visit.owner.execute(f"alter table {table} enable row level security")


async def test_sees_a_stream_that_no_guard_keeps(
    settings: Settings, world: World, guard: str
) -> None:
    async with visiting(settings, world, "sales") as visit:
        own = [q for q in visit.catalogue.subscriptions() if "sales" in q.variables.values()]
        async with (
            without_security(visit, "departments", "job_events"),
            visit.caller.following("websocket", own) as answers,
        ):
            await until(lambda: all(answer.results for answer in answers))
            await visit.happen()
            live = f"{visit.mine.mark} live"
            await until(lambda: any(live in str(answer.results) for answer in answers))
        assert bool(visit.leaks(answers)) is (guard == GUARDS[1])


async def test_notices_any_change_of_others(settings: Settings, world: World) -> None:
    async with visiting(settings, world, "sales") as visit:
        department_id = visit.mine.realm.department_id
        before = await of_others(visit.owner, department_id)
        for held, is_noticed in ((world.holdings["supply"], True), (visit.mine, False)):
            for table, rows in held.realm.rows.items():
                if table in WRITTEN:
                    continue
                transaction = visit.owner.transaction()
                await transaction.start()
                change = f"update {table} set {CHANGES[table]} where id = $1"  # noqa: S608
                await visit.owner.execute(change, rows[0].id)
                after = await of_others(visit.owner, department_id)
                await transaction.rollback()
                assert (after != before) is is_noticed, table


def test_finds_a_secret_however_it_is_written(world: World) -> None:
    theirs, mine = world.holdings["supply"], world.holdings["sales"]
    secrets = Secrets.of([theirs])
    row = theirs.realm.row("datasets")
    told = [
        theirs.mark,
        f"… {theirs.mark.upper()} …",
        str(row.id),
        str(row.id).upper(),
        row.id.hex,
        f"datasets/{row.id}/raw.csv?X-Amz-Signature=1",
        theirs.ids("Dataset")[0],
        theirs.cursor("Dataset", NEWEST),
    ]
    for text in told:
        for answer in ({"data": {"a": [text]}}, [{"errors": [{"message": text}]}], {text: None}):
            assert secrets.told(answer, []), text
        assert secrets.told({"data": text}, [text]) == []
    untold = [mine.mark, str(mine.realm.row("datasets").id), mine.ids("Dataset")[0], "x" * 64]
    assert secrets.told(untold, []) == []
    assert secrets.told([f"{theirs.mark} {mine.mark}"], [mine.mark])


@pytest.mark.parametrize("code", CALLERS)
async def test_no_change_of_ones_own_tells_or_changes_anything_of_others(
    settings: Settings, world: World, code: str
) -> None:
    async with visiting(settings, world, code) as visit:
        # Others tried these people's passwords in the tests before, until they were locked.
        await visit.owner.execute("update users set failed_login_count = 0, locked_until = null")
        department_id = visit.mine.realm.department_id
        before = await of_others(visit.owner, department_id)
        answers = await visit.caller.ask("http", list(visit.catalogue.mutations(of_others=False)))
        assert_whole(answers)
        assert visit.leaks(answers) == []
        assert await of_others(visit.owner, department_id) == before
        if code != "powerless":
            done = {answer.question.name for answer in answers if not answer.codes}
            assert {answer.question.name for answer in answers} - done == REFUSED
