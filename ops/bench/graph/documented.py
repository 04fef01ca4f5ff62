"""The reference as Strawberry's documentation teaches to write it.

Its own ASGI view, types whose fields read ORM entities, a `DataLoader` for each relation made with
the context of a request, and an SQLAlchemy session for each load. The entities are the product's
models, and each session's transaction opens the caller's scope, so that row-level security holds.
"""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NewType, TypeVar, cast
from uuid import UUID

import orjson
import strawberry
from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import load_only
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from domain.catalog import models as catalog
from domain.identity import models as identity
from domain.identity.tokens import Tokens
from domain.ids import global_id
from domain.jobs import models as jobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from domain.identity.tokens import AccessClaims
    from domain.models import Base
    from domain.settings import Settings

T = TypeVar("T")

BigInt = NewType("BigInt", int)
Info = strawberry.Info["Requested", None]

for words in (catalog.FileType, catalog.DatasetStatus, jobs.JobType, jobs.JobStatus):
    strawberry.enum(words)

SCOPE = text("select * from begin_scope(cast(:user as uuid), cast(:session as uuid), null)")


class Requested:
    """The context of one request: who asks, and the loaders."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], claims: AccessClaims) -> None:
        self._sessions = sessions
        self.claims = claims
        self.users = DataLoader(load_fn=self._load_users)
        self.datasets = DataLoader(load_fn=self._load_datasets)
        self.jobs = DataLoader(load_fn=self._children_of(jobs.Job))
        self.results = DataLoader(load_fn=self._children_of(jobs.Result))

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction has the caller's scope."""
        async with self._sessions() as session, session.begin():
            given = {"user": self.claims.user_id, "session": self.claims.session_id}
            await session.execute(SCOPE, given)
            yield session

    async def _load_users(self, keys: list[UUID]) -> list[identity.User | None]:
        User = identity.User  # noqa: N806 (a class)
        # The application may not select the hash of the password.
        wanted = select(User).options(load_only(User.id, User.email, User.full_name))
        async with self.session() as session:
            found = (await session.scalars(wanted.where(User.id.in_(keys)))).all()
        by_id = {user.id: user for user in found}
        return [by_id.get(key) for key in keys]

    async def _load_datasets(self, keys: list[UUID]) -> list[catalog.Dataset | None]:
        wanted = select(catalog.Dataset).where(
            catalog.Dataset.id.in_(keys), catalog.Dataset.deleted_at.is_(None)
        )
        async with self.session() as session:
            found = (await session.scalars(wanted)).all()
        by_id = {dataset.id: dataset for dataset in found}
        return [by_id.get(key) for key in keys]

    def _children_of(self, model: Any) -> Callable[[list[UUID]], Awaitable[list[list[Base]]]]:
        async def load(keys: list[UUID]) -> list[list[Base]]:
            wanted = (
                select(model)
                .where(model.dataset_id.in_(keys), model.deleted_at.is_(None))
                .order_by(model.created_at.desc(), model.id.desc())
            )
            by_dataset: dict[UUID, list[Base]] = {key: [] for key in keys}
            async with self.session() as session:
                for child in await session.scalars(wanted):
                    by_dataset[child.dataset_id].append(child)
            return list(by_dataset.values())

        return load


def _instances_of(model: type[Base]) -> Any:
    """What a type answers that is read from entities, when it is asked whether one is of it."""
    return staticmethod(lambda entity, _info: isinstance(entity, model))


@strawberry.interface
class Node:
    """Something with an id."""

    @strawberry.field
    def id(self) -> strawberry.ID:
        """The id that all servers write alike."""
        entity = _entity(self)
        return strawberry.ID(global_id(type(entity).__name__, entity.id))


@strawberry.type
class PageInfo:
    """Where a page stands."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    """A row with its cursor."""

    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    """A page."""

    nodes: list[T]
    has_next: strawberry.Private[bool] = False

    @strawberry.field
    def edges(self) -> list[Edge[T]]:
        """The rows with their cursors."""
        return [Edge(cursor=_cursor(entity), node=entity) for entity in self.nodes]

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Where the page stands."""
        end = _cursor(self.nodes[-1]) if self.nodes else None
        return PageInfo(has_next_page=self.has_next, end_cursor=end)


@strawberry.type
class Actor:
    """Someone, by name."""

    @strawberry.field
    def id(self) -> strawberry.ID:
        """The user's id."""
        return strawberry.ID(global_id("User", _entity(self).id))

    @strawberry.field
    def display_name(self) -> str:
        """The user's name."""
        name: str = _entity(self).full_name
        return name


@strawberry.type
class User(Node):
    """An account."""

    is_type_of = _instances_of(identity.User)

    email: str
    full_name: str


@strawberry.type
class Viewer:
    """Whoever asks."""

    @strawberry.field
    async def user(self, info: Info) -> User:
        """The account."""
        return cast("User", await info.context.users.load(info.context.claims.user_id))


@strawberry.type
class Job(Node):
    """A job."""

    is_type_of = _instances_of(jobs.Job)

    job_type: jobs.JobType
    status: jobs.JobStatus
    progress: int
    created_at: datetime
    completed_at: datetime | None


@strawberry.type
class Result(Node):
    """A result."""

    is_type_of = _instances_of(jobs.Result)

    result_type: str
    created_at: datetime


@strawberry.type
class Dataset(Node):
    """A dataset."""

    is_type_of = _instances_of(catalog.Dataset)

    name: str
    description: str | None
    file_type: catalog.FileType
    content_type: str
    file_size_bytes: BigInt
    row_count: BigInt | None
    column_count: int | None
    status: catalog.DatasetStatus
    created_at: datetime
    updated_at: datetime

    @strawberry.field
    async def uploader(self, info: Info) -> Actor:
        """Who brought it."""
        return cast("Actor", await info.context.users.load(_entity(self).uploader_id))

    @strawberry.field
    async def jobs(self, info: Info, first: int) -> Connection[Job]:
        """The jobs on it."""
        found = await info.context.jobs.load(_entity(self).id)
        return Connection(nodes=cast("list[Job]", found[:first]))

    @strawberry.field
    async def results(self, info: Info, first: int) -> Connection[Result]:
        """What was found out about it."""
        found = await info.context.results.load(_entity(self).id)
        return Connection(nodes=cast("list[Result]", found[:first]))


@strawberry.type
class Query:
    """What can be read."""

    @strawberry.field
    def viewer(self) -> Viewer:
        """Whoever asks."""
        return Viewer()

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """The node with this id."""
        _, _, key = base64.urlsafe_b64decode(id + "=" * (-len(id) % 4)).partition(b":")
        return cast("Node", await info.context.datasets.load(UUID(bytes=key)))

    @strawberry.field
    async def datasets(
        self, info: Info, first: int, after: str | None = None
    ) -> Connection[Dataset]:
        """The datasets, the newest first."""
        model = catalog.Dataset
        wanted = (
            select(model)
            .where(model.deleted_at.is_(None))
            .order_by(model.created_at.desc(), model.id.desc())
            .limit(first + 1)
        )
        if after is not None:
            wanted = wanted.where(tuple_(model.created_at, model.id) < tuple_(*_place(after)))
        async with info.context.session() as session:
            found = (await session.scalars(wanted)).all()
        nodes = cast("list[Dataset]", found[:first])
        return Connection(nodes=nodes, has_next=len(found) > first)


def create_app(settings: Settings) -> Starlette:
    """Builds the application."""
    url = settings.database_url.get_secret_value().replace("postgresql", "postgresql+asyncpg", 1)
    engine = create_async_engine(
        url, pool_size=settings.database_pool_size, max_overflow=settings.database_max_overflow
    )
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    tokens = Tokens(settings)

    class DocumentedGraphQL(GraphQL[Requested, None]):
        async def get_context(
            self, request: Request | WebSocket, response: Response | WebSocket
        ) -> Requested:
            del response
            token = request.headers["authorization"].removeprefix("Bearer ")
            return Requested(sessions, tokens.verified_access(token))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    big_int = strawberry.scalar(name="BigInt", serialize=int, parse_value=int)
    config = StrawberryConfig(scalar_map={BigInt: big_int})
    schema = strawberry.Schema(query=Query, types=[Dataset], config=config)
    return Starlette(routes=[Route("/graphql", DocumentedGraphQL(schema))], lifespan=lifespan)


def _entity(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the entity itself.
    return source


def _cursor(source: Any) -> str:
    entity = _entity(source)
    place = orjson.dumps(["created_at:desc", entity.created_at, str(entity.id)])
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode()


def _place(cursor: str) -> tuple[datetime, UUID]:
    _, moment, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return datetime.fromisoformat(moment), UUID(key)
