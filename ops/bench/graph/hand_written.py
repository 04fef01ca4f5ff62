"""The reference that is written by hand: an endpoint a shape, asyncpg, dictionaries and orjson.

It does what anyone must do who answers these requests safely: it checks the token, opens a
read-only snapshot with the caller's scope in one round trip, and leaves the rest to row-level
security. Everything that is general in a GraphQL server is missing here on purpose.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from domain.identity.tokens import Tokens
from domain.ids import global_id
from domain.scope import Identity, opening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from asyncpg.pool import PoolConnectionProxy
    from starlette.requests import Request

    from domain.settings import Settings

    Connection = PoolConnectionProxy[asyncpg.Record]
    Endpoint = Callable[[Connection, Request], Coroutine[Any, Any, dict[str, Any]]]

USER = """
select id, email, full_name from users where id = current_setting('app.user_id')::uuid
"""

DATASET = """
select id, name, description, file_type, file_size_bytes, row_count, status, created_at
from datasets where id = $1 and deleted_at is null
"""

NEWEST = """
select id, name, file_type, file_size_bytes, row_count, status, created_at, uploader_id
from datasets where deleted_at is null order by created_at desc, id desc limit $1
"""

UPLOADERS = "select id, display_name from actors($1::uuid[])"

JOBS = """
select c.* from unnest($1::uuid[]) as k (key) cross join lateral (
    select dataset_id, id, job_type, status, progress, created_at, completed_at
    from jobs where dataset_id = k.key and deleted_at is null
    order by created_at desc, id desc limit 3
) c order by c.created_at desc, c.id desc
"""

RESULTS = """
select c.* from unnest($1::uuid[]) as k (key) cross join lateral (
    select dataset_id, id, result_type, created_at
    from results where dataset_id = k.key and deleted_at is null
    order by created_at desc, id desc limit 2
) c order by c.created_at desc, c.id desc
"""

FLAT = """
select id, name, description, file_type, content_type, file_size_bytes, row_count, column_count,
       status, created_at, updated_at
from datasets where deleted_at is null order by created_at desc, id desc limit $1
"""

FIRST_PAGE = """
select id, name, status, created_at from datasets
where deleted_at is null order by created_at desc, id desc limit $1
"""

NEXT_PAGE = """
select id, name, status, created_at from datasets
where deleted_at is null and (created_at, id) < ($2, $3)
order by created_at desc, id desc limit $1
"""

PAGE_SIZE = 20


class Pooled(asyncpg.Connection):
    """A connection that needs no resetting: nothing that is done here outlives its transaction."""

    def get_reset_query(self) -> str:
        """Says so."""
        return ""


def create_app(settings: Settings) -> Starlette:
    """Builds the application."""
    tokens = Tokens(settings)
    pool: asyncpg.Pool[asyncpg.Record] | None = None

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        nonlocal pool
        pool = await asyncpg.create_pool(
            settings.database_url.get_secret_value(),
            min_size=1,
            max_size=settings.database_pool_size + settings.database_max_overflow,
            connection_class=Pooled,
            server_settings={"timezone": "UTC", "plan_cache_mode": "force_generic_plan"},
        )
        yield
        await pool.close()

    def answering(endpoint: Endpoint) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def answer(request: Request) -> Response:
            claims = tokens.verified_access(
                request.headers["authorization"].removeprefix("Bearer ")
            )
            assert pool is not None  # noqa: S101 (requests come after the start)
            async with pool.acquire() as connection:
                identity = Identity(claims.user_id, claims.session_id)
                await connection.execute(opening(identity, write=False))
                try:
                    data = await endpoint(connection, request)
                finally:
                    await connection.execute("commit")
            return Response(orjson.dumps({"data": data}), media_type="application/json")

        return answer

    endpoints = {
        "/viewer": _viewer,
        "/node": _node,
        "/nested": _nested,
        "/flat": _flat,
        "/page": _page,
    }
    return Starlette(
        routes=[Route(path, answering(endpoint)) for path, endpoint in endpoints.items()],
        lifespan=lifespan,
    )


async def _viewer(connection: Connection, _request: Request) -> dict[str, Any]:
    row = await connection.fetchrow(USER)
    assert row is not None  # noqa: S101 (the opening would have refused)
    user = {
        "id": global_id("User", row["id"]),
        "email": row["email"],
        "fullName": row["full_name"],
    }
    return {"viewer": {"user": user}}


async def _node(connection: Connection, request: Request) -> dict[str, Any]:
    text = request.query_params["id"]
    _, _, key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).partition(b":")
    row = await connection.fetchrow(DATASET, UUID(bytes=key))
    if row is None:
        return {"node": None}
    return {
        "node": {
            "id": text,
            "name": row["name"],
            "description": row["description"],
            "fileType": row["file_type"].upper(),
            "fileSizeBytes": row["file_size_bytes"],
            "rowCount": row["row_count"],
            "status": row["status"].upper(),
            "createdAt": row["created_at"],
        }
    }


async def _nested(connection: Connection, request: Request) -> dict[str, Any]:
    first = int(request.query_params["first"])
    rows = await connection.fetch(NEWEST, first + 1)
    page = rows[:first]
    keys = [row["id"] for row in page]
    uploaders = {
        row["id"]: {"id": global_id("User", row["id"]), "displayName": row["display_name"]}
        for row in await connection.fetch(UPLOADERS, list({row["uploader_id"] for row in page}))
    }
    jobs = defaultdict(list)
    for row in await connection.fetch(JOBS, keys):
        jobs[row["dataset_id"]].append(
            {
                "id": global_id("Job", row["id"]),
                "jobType": row["job_type"].upper(),
                "status": row["status"].upper(),
                "progress": row["progress"],
                "createdAt": row["created_at"],
                "completedAt": row["completed_at"],
            }
        )
    results = defaultdict(list)
    for row in await connection.fetch(RESULTS, keys):
        results[row["dataset_id"]].append(
            {
                "id": global_id("Result", row["id"]),
                "resultType": row["result_type"],
                "createdAt": row["created_at"],
            }
        )
    nodes = [
        {
            "id": global_id("Dataset", row["id"]),
            "name": row["name"],
            "fileType": row["file_type"].upper(),
            "fileSizeBytes": row["file_size_bytes"],
            "rowCount": row["row_count"],
            "status": row["status"].upper(),
            "createdAt": row["created_at"],
            "uploader": uploaders[row["uploader_id"]],
            "jobs": {"nodes": jobs[row["id"]]},
            "results": {"nodes": results[row["id"]]},
        }
        for row in page
    ]
    return {"datasets": {"nodes": nodes, "pageInfo": _page_info(page, more=len(rows) > first)}}


async def _flat(connection: Connection, request: Request) -> dict[str, Any]:
    nodes = [
        {
            "id": global_id("Dataset", row["id"]),
            "name": row["name"],
            "description": row["description"],
            "fileType": row["file_type"].upper(),
            "contentType": row["content_type"],
            "fileSizeBytes": row["file_size_bytes"],
            "rowCount": row["row_count"],
            "columnCount": row["column_count"],
            "status": row["status"].upper(),
            "createdAt": row["created_at"],
            "updatedAt": row["updated_at"],
        }
        for row in await connection.fetch(FLAT, int(request.query_params["first"]))
    ]
    return {"datasets": {"nodes": nodes}}


async def _page(connection: Connection, request: Request) -> dict[str, Any]:
    after = request.query_params.get("after")
    if after is None:
        rows = await connection.fetch(FIRST_PAGE, PAGE_SIZE + 1)
    else:
        _, moment, key = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        place = datetime.fromisoformat(moment), UUID(key)
        rows = await connection.fetch(NEXT_PAGE, PAGE_SIZE + 1, *place)
    page = rows[:PAGE_SIZE]
    edges = [
        {
            "cursor": _cursor(row),
            "node": {
                "id": global_id("Dataset", row["id"]),
                "name": row["name"],
                "status": row["status"].upper(),
                "createdAt": row["created_at"],
            },
        }
        for row in page
    ]
    return {"datasets": {"edges": edges, "pageInfo": _page_info(page, more=len(rows) > PAGE_SIZE)}}


def _page_info(page: list[asyncpg.Record], *, more: bool) -> dict[str, Any]:
    return {"hasNextPage": more, "endCursor": _cursor(page[-1]) if page else None}


def _cursor(row: asyncpg.Record) -> str:
    place = orjson.dumps(["created_at:desc", row["created_at"], str(row["id"])])
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode()
