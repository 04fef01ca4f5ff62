"""Insights as a client asks for them: with a mapping that is followed, wrong, or does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.graph.bad_input import files
from tests.graph.bad_input.conftest import client_of

if TYPE_CHECKING:
    from tests.factories.rows import Rows
    from tests.graph.uploads import Client
    from tests.product import Product

START = """
mutation ($input: StartJobInput!) { startJob(input: $input) { job { id jobType status } } }
"""


def orders() -> bytes:
    rows = [f"{files.nonce()},{at // 2},{at}.5,{at % 3}" for at in range(40)]
    return "\n".join(["note,order,amount,points", *rows, ""]).encode()


async def insights(client: Client, key: str, jobs: int = 2) -> list[dict[str, Any]]:
    """The insights of a dataset, the newest first."""
    found = await client.ended(key, jobs=jobs)
    assert found["status"] == "COMPLETED"
    nodes = found["results"]["nodes"]
    return [each["payload"] for each in nodes if each["resultType"] == "department_insight"]


async def start(client: Client, key: str, mapping: dict[str, Any]) -> None:
    given = {"datasetId": key, "jobType": "ML_INFERENCE", "params": {"mapping": mapping}}
    started = await client.data(START, {"input": given})
    assert started["startJob"]["job"]["jobType"] == "ML_INFERENCE"


async def test_a_mapping_wins_and_is_shown(client: Client) -> None:
    key = await client.upload("orders.csv", orders())
    (first,) = await insights(client, key)
    assert first["insight"] == "sales"
    mapping = {"amount": "points", "order": None, "customer": "note"}
    await start(client, key, mapping)
    found = await insights(client, key)
    assert found[1] == first
    given = {each["role"]: each["column"] for each in found[0]["mapping"] if each["given"]}
    assert given == mapping
    (revenue,) = found[0]["figures"]["revenue"]["points"]
    assert revenue["gross"] == sum(at % 3 for at in range(40))


async def test_a_wrong_mapping_starts_nothing_and_names_its_fields(client: Client) -> None:
    key = await client.upload("orders.csv", orders())
    await insights(client, key)
    mapping = {"amount": "no such column", "who": "note"}
    given = {"datasetId": key, "jobType": "ML_INFERENCE", "params": {"mapping": mapping}}
    error = await client.refusal(START, {"input": given})
    assert error["extensions"]["code"] == "INVALID_INPUT"
    fields = {tuple(each["path"]): each["message"] for each in error["extensions"]["fieldErrors"]}
    assert set(fields) == {("params", "mapping", "amount"), ("params", "mapping", "who")}
    assert "no column “no such column”" in fields["params", "mapping", "amount"]
    assert len(await insights(client, key)) == 1


async def test_an_insight_that_fails_leaves_its_dataset_complete(client: Client) -> None:
    key = await client.upload("orders.csv", orders())
    (first,) = await insights(client, key)
    await start(client, key, {"amount": "note"})
    while (job := (await client.dataset(key))["jobs"]["nodes"][-1])["status"] != "FAILED":
        assert job["status"] in {"QUEUED", "PROCESSING"}
    assert job["errorCode"] == "MAPPING_DOES_NOT_FIT"
    assert "“note”, which holds text and not number." in job["errorMessage"]
    found = await client.dataset(key)
    assert (found["status"], found["validationErrors"]) == ("COMPLETED", None)
    kinds = [each["resultType"] for each in found["results"]["nodes"]]
    assert kinds.count("department_insight") == 1
    assert first in [each["payload"] for each in found["results"]["nodes"]]


async def test_a_department_below_gets_the_insight_of_the_one_above(
    served: Product, rows: Rows
) -> None:
    # These columns speak for supply most; amounts of finance are what its department asks for.
    lines = [f"{at % 5},{at % 4},{at}.25" for at in range(30)]
    content = "\n".join(["lead time,promised days,amount", *lines, files.nonce()]).encode()
    found = {}
    for code in ("finance", "company"):
        below = await rows.department(await rows.department(code))
        client = client_of(served, await rows.person(below, roles=("editor",)))
        key = await client.upload("mixed.csv", content)
        (insight,) = await insights(client, key)
        found[code] = insight["insight"]
    assert found == {"finance": "finance", "company": "supply"}
