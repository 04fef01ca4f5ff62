"""What Prometheus is told, and who is told nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from ops.metrics import PATH, Metrics, metrics_served
from tests.factories.databases import connected
from tests.factories.rows import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.settings import Settings

TOKEN = "a token of the tests"
RIGHT = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def metered(settings: Settings) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    given = {"metrics_token": SecretStr(TOKEN), "metrics_address": f"127.0.0.1:{port}"}
    return settings.model_copy(update=given)


@pytest.fixture
async def rows(settings: Settings) -> AsyncIterator[Rows]:
    assert settings.owner_database_url
    async with connected(settings.owner_database_url.get_secret_value()) as connection:
        yield Rows(connection)


async def queue(rows: Rows) -> tuple[str, UUID]:
    """A department with one job of each kind in its queue."""
    department = await rows.department()
    person = await rows.person(department)
    hour = "interval '1 hour'"
    await rows.job(department, person.id, job_type="eda")
    late = await rows.job(department, person.id, job_type="eda")
    await rows.job(department, person.id, job_type="eda", status="processing")
    await rows.job(department, person.id, job_type="eda", status="succeeded")
    await rows.connection.execute(
        f"update jobs set available_at = now() + {hour} where id = $1",  # noqa: S608
        late.id,
    )
    code = await rows.connection.fetchval("select code from departments where id = $1", department)
    return str(code), department


async def asked(settings: Settings, headers: dict[str, str], path: str = PATH) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://{settings.metrics_address}{path}", headers=headers)


async def test_a_worker_tells_how_each_queue_stands(metered: Settings, rows: Rows) -> None:
    code, _ = await queue(rows)
    async with metrics_served(metered):
        answer = await asked(metered, RIGHT)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    own = f'{{department="{code}",job_type="eda"}}'
    for name in ("waiting", "delayed", "running", "stuck"):
        assert f"aetherflow_jobs_{name}{own} 1" in lines
    assert "# TYPE aetherflow_jobs_waiting gauge" in lines


@pytest.mark.parametrize(
    ("headers", "path"),
    [({}, PATH), ({"authorization": "Bearer other"}, PATH), (RIGHT, "/"), (RIGHT, "/metrics2")],
)
async def test_tells_nothing_without_the_token_or_elsewhere(
    metered: Settings, headers: dict[str, str], path: str
) -> None:
    async with metrics_served(metered):
        answer = await asked(metered, headers, path)
        assert answer.status_code == 404
        assert "aetherflow" not in answer.text
        # Who only connects, and who talks rubbish, holds nobody else up.
        host, _, port = str(metered.metrics_address).partition(":")
        silent = await asyncio.open_connection(host, int(port))
        noisy = await asyncio.open_connection(host, int(port))
        noisy[1].write(b"x" * 100_000)
        assert (await asked(metered, RIGHT)).status_code == 200
        for _, writer in (silent, noisy):
            writer.close()


async def test_the_api_answers_the_same_only_where_a_token_is_set(
    metered: Settings, settings: Settings
) -> None:
    for given, status in ((metered, 200), (settings, 404)):
        metrics = Metrics(given)
        app = Starlette(routes=[Route(PATH, metrics.endpoint)])
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get(PATH, headers=RIGHT)).status_code == status
            assert (await client.get(PATH)).status_code == 404
        await metrics.close()
