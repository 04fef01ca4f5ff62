from __future__ import annotations

from typing import TYPE_CHECKING

from tests.graph.transport.serving import serving

if TYPE_CHECKING:
    from tests.clients.conftest import Client


async def test_passes_every_audit_of_graphql_http(client: Client) -> None:
    async with serving() as served, client("graphql_http.mjs", served.url) as lines:
        results = [line async for line in lines]
    assert len(results) == 61
    assert [result for result in results if result["status"] != "ok"] == []
