from __future__ import annotations

from typing import TYPE_CHECKING

from graph.transport.options import TransportOptions
from tests.graph.transport.serving import Served, serving

if TYPE_CHECKING:
    import httpx

    from tests.graph.transport.schema import Ledger

HELLO = {"query": "{ hello }"}


async def test_a_get_embedded_by_a_page_is_refused(served: Served, http: httpx.AsyncClient) -> None:
    headers = {"sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"}
    response = await http.get(served.url, params=HELLO, headers=headers)
    assert response.status_code == 403
    assert served.ledger.opened == 0


async def test_pages_of_allowed_sites_may_read_answers(
    ledger: Ledger, http: httpx.AsyncClient
) -> None:
    options = TransportOptions(allowed_origins=("https://shop.example",))
    async with serving(options, ledger) as served:
        for origin, allowed in (("https://shop.example", True), ("https://evil.example", False)):
            preflight = await http.options(
                served.url,
                headers={
                    "origin": origin,
                    "access-control-request-method": "POST",
                    "access-control-request-headers": "authorization,content-type,x-department",
                },
            )
            assert (preflight.status_code == 200) is allowed
            response = await http.post(served.url, json=HELLO, headers={"origin": origin})
            given = response.headers.get("access-control-allow-origin")
            assert given == (origin if allowed else None)
            assert "access-control-allow-credentials" not in response.headers


async def test_no_site_may_read_answers_by_default(served: Served, http: httpx.AsyncClient) -> None:
    headers = {"origin": "https://shop.example"}
    response = await http.post(served.url, json=HELLO, headers=headers)
    assert "access-control-allow-origin" not in response.headers
