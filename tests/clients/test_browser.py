"""GraphiQL in a real browser, on the running product."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from domain.bootstrap import bootstrap
from tests import product
from tests.clients.browser import chromium, graphiql
from tests.factories.fixtures import own_database
from tests.graph.uploads import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings
    from tests.clients.browser import GraphiQL
    from tests.conftest import Servers
    from tests.product import Product

ROOT = Path(__file__).parent.parent.parent
SALES = ROOT / "tests" / "data" / "sales_online_retail.csv"

WHO = "{ viewer { user { email } scope } departments { nodes { code } } }"
WATCH = """
subscription ($department: String!, $after: String) {
  jobEvents(department: $department, after: $after) {
    cursor kind status progress step message job { jobType status }
  }
}
"""


@pytest.fixture(scope="module")
def served(servers: Servers, process_number: int, settings: Settings) -> Iterator[Product]:
    for own in own_database(servers, process_number, settings, "browser"):
        assert own.owner_database_url is not None
        asyncio.run(bootstrap(own.owner_database_url.get_secret_value(), product.PASSWORD))
        with product.running(own) as running:
            yield running


@pytest.fixture
def page(served: Product, tmp_path: Path) -> Iterator[GraphiQL]:
    """The page in a fresh browser, which must have had nothing to complain of."""
    programs = chromium()
    if programs is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    assert (ROOT / "web/dist/index.html").exists(), "`./aetherflow setup` builds the pages"
    with graphiql(served.url, programs, tmp_path) as opened:
        opened.open("/")
        yield opened
        assert opened.faults() == []


async def brought(served: Product, email: str, path: Path) -> dict[str, Any]:
    """Uploads a file and waits until its jobs have ended; gives the dataset."""
    client = Client(served, await served.token(email))
    key = await client.upload(path.name, path.read_bytes())
    return await client.ended(key, jobs=2)


def test_a_file_is_followed_to_its_end_in_the_page(page: GraphiQL, served: Product) -> None:
    assert "do not open an active account" in page.refused_sign_in(
        "sales@aetherflow.local", "a wrong password"
    )
    page.sign_in("sales@aetherflow.local", product.PASSWORD)
    assert page.user() == "Sales"
    assert page.departments() == ["All of mine", "Sales"]
    answer = page.run(WHO)["data"]
    assert answer["viewer"]["user"] == {"email": "sales@aetherflow.local"}
    assert answer["departments"]["nodes"] == [{"code": "sales"}]

    page.follow(WATCH, {"department": "sales", "after": None})
    with ThreadPoolExecutor(1) as other:
        bringing = other.submit(asyncio.run, brought(served, "sales@aetherflow.local", SALES))
        page.wait_for(lambda events: events and ended(events[-1]), seconds=60)
        dataset = bringing.result()
    assert dataset["rowCount"] == 8254
    events = page.events()
    cursors = [event["cursor"] for event in events]
    assert len(set(cursors)) == len(cursors)
    statuses = [(e["job"]["jobType"], e["status"]) for e in events if e["kind"] == "STATUS"]
    assert statuses == [
        (job, status)
        for job in ("VALIDATION", "ETL", "ML_INFERENCE")
        for status in ("QUEUED", "PROCESSING", "SUCCEEDED")
    ]
    (cleaned,) = [e for e in events if (e["job"]["jobType"], e["status"]) == ("ETL", "SUCCEEDED")]
    assert "8373 rows read, 8254 kept, 119 rejected" in cleaned["message"]
    assert page.live()
    page.stop()
    page.sign_out()


def ended(event: dict[str, Any]) -> bool:
    return (event["job"]["jobType"], event["status"]) == ("ML_INFERENCE", "SUCCEEDED")


def test_requests_are_narrowed_to_any_department_that_one_sees(page: GraphiQL) -> None:
    page.sign_in("admin@aetherflow.local", product.PASSWORD)
    assert page.departments() == ["All of mine", "Company", "Finance", "Sales", "Supply"]
    answer = page.run(WHO)["data"]
    assert len(answer["viewer"]["scope"]) == 4
    page.narrow("Supply")
    answer = page.run(WHO)["data"]
    assert len(answer["viewer"]["scope"]) == 1
    assert answer["departments"]["nodes"] == [{"code": "supply"}]
    # A reload keeps the session and what it was narrowed to.
    page.open()
    assert page.run(WHO)["data"] == answer
    page.narrow("All of mine")
    assert len(page.run(WHO)["data"]["viewer"]["scope"]) == 4


def test_an_example_runs_as_it_is(page: GraphiQL) -> None:
    page.sign_in("supply@aetherflow.local", product.PASSWORD)
    for title in ("Who am I", "Datasets", "Upload a file"):
        page.open_example(title)
        page.start()
        answer = page.result()
        assert "errors" not in answer, answer
        assert answer["data"]
    page.open_example("Watch a department")
    page.start()
    page.wait_for(lambda _: page.live())
    page.stop()
