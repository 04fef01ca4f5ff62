from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.graph.transport.schema import Ledger
from tests.graph.transport.serving import serving

if TYPE_CHECKING:
    from tests.clients.conftest import Client

SCRIPT = "graphql_sse.mjs"


def cursors(lines: list[dict[str, Any]]) -> list[int]:
    return [int(line["next"]["data"]["events"]["cursor"]) for line in lines if "next" in line]


async def test_runs_all_kinds_of_operations_beside_each_other(client: Client) -> None:
    async with serving() as served, client(SCRIPT, "mixed", f"{served.url}/stream") as lines:
        said = [line async for line in lines]
    results = [line["next"] for line in said if "next" in line]
    refusals = [each["errors"][0]["extensions"]["code"] for each in results if "errors" in each]
    assert refusals == ["INVALID_INPUT", "CURSOR_EXPIRED"]
    data = [each["data"] for each in results if "data" in each]
    assert {"hello": "Hello you"} in data
    assert {"write": "written"} in data
    events = [each["events"]["cursor"] for each in data if "events" in each]
    assert events == ["1", "2", "3", "4", "5"]
    assert said.count({"complete": True}) == 5


async def test_a_client_that_breaks_off_leaves_nothing_open(client: Client) -> None:
    ledger = Ledger()
    async with serving(ledger=ledger) as served:
        async with client(SCRIPT, "leave", served.url) as lines:
            said = [line async for line in lines]
        await ledger.settled()
    assert cursors(said) == [1, 2, 3]
    assert ledger.opened == 1


async def test_goes_on_without_a_gap_at_another_server_after_a_shutdown(client: Client) -> None:
    ledger = Ledger()
    async with serving(ledger=ledger) as first:
        port = first.port
        async with client(SCRIPT, "follow", first.url) as lines:
            said: list[dict[str, Any]] = []
            async for line in lines:
                said.append(line)
                if cursors(said)[-1:] == [5]:
                    await first.stop()
                    break
            async with serving(ledger=ledger, port=port):
                said += [line async for line in lines]
    assert said.count({"connected": True}) == 2
    assert cursors(said) == list(range(1, 31))
    assert said[-1] == {"complete": True}


async def test_a_refused_caller_learns_the_status(client: Client) -> None:
    async with serving() as served, client(SCRIPT, "refused", served.url) as lines:
        said = [line async for line in lines]
    assert said == [{"error": 401}]
