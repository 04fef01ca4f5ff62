from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from graph.transport.pages import graphiql_page, page_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A built page, with a file beside it that nobody may fetch."""
    dist = tmp_path / "web" / "dist"
    assets = dist / "assets"
    assets.mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>AetherFlow</title>")
    (assets / "page-1a2b.js").write_bytes(SCRIPT)
    (assets / "page-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "secret.txt").write_text("not an asset")
    (dist / "outside.js").write_text("not an asset either")
    return dist


@pytest.fixture
async def browser(dist: Path) -> AsyncIterator[httpx.AsyncClient]:
    routes = [*page_routes(dist), Route("/graphql", graphiql_page)]
    async with client_of(Starlette(routes=routes)) as client:
        yield client


def client_of(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="https://aetherflow.test"
    )


@pytest.mark.parametrize("path", ["/", "/graphql"])
async def test_leads_a_browser_to_graphiql(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/graphiql")
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["cache-control"] == "no-store"


async def test_serves_graphiql_anew_each_time(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/graphiql")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "<title>AetherFlow</title>" in answer.text


async def test_says_how_to_build_the_pages(browser: httpx.AsyncClient, dist: Path) -> None:
    (dist / "index.html").unlink()
    answer = await browser.get("/graphiql")
    assert answer.status_code == 503
    assert "./aetherflow setup" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_serves_pages_that_are_built_after_the_start(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    async with client_of(Starlette(routes=page_routes(dist))) as client:
        assert (await client.get("/graphiql")).status_code == 503
        dist.mkdir()
        (dist / "index.html").write_text("<!doctype html>")
        assert (await client.get("/graphiql")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/graphiql", "/assets/page-1a2b.js", "/assets/missing.js"])
async def test_every_answer_carries_the_strict_headers(
    browser: httpx.AsyncClient, path: str
) -> None:
    headers = (await browser.get(path)).headers
    policy = dict(
        part.partition(" ")[::2] for part in headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["worker-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


async def test_assets_are_kept_for_ever(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/assets/page-1a2b.js")
    assert answer.status_code == 200
    assert answer.content == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, GZIP ; q=0.5", "gzip"),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("", None),
    ],
)
async def test_sends_the_compressed_copy_to_who_takes_it(
    browser: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    answer = await browser.get("/assets/page-1a2b.js", headers={"accept-encoding": accepted})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.content == SCRIPT
    assert (int(answer.headers["content-length"]) < len(SCRIPT)) == (encoding == "gzip")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/missing.js",
        "/assets/",
        "/assets/secret.txt",
        "/assets/page-1a2b.js.gz",
        "/assets/..%2foutside.js",
        "/assets/%2e%2e/outside.js",
        "/assets/%2e%2e%2foutside.js",
        "/assets/..%5coutside.js",
        "/assets/%00.js",
    ],
)
async def test_gives_nothing_but_assets(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "asset" not in answer.text


@pytest.mark.parametrize("path", ["/", "/graphiql", "/assets/page-1a2b.js"])
async def test_pages_take_no_posts(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.post(path)).status_code == 405
    assert (await browser.head(path)).status_code in (200, 303)
