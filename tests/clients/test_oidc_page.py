"""Signing in to GraphiQL at an identity provider, in a real browser."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from selenium.webdriver.common.by import By

from domain.settings import OidcProvider
from tests.clients.browser import chromium, graphiql
from tests.clients.test_oidc import SECRET, office, provider_for, settings
from tests.factories.fixtures import database, owner, rows
from tests.graph.leaks.serving import OwnBell, served

if TYPE_CHECKING:
    from domain.settings import Settings
    from tests.clients.browser import GraphiQL
    from tests.domain.identity.conftest import Office

__all__ = ["database", "office", "owner", "rows", "settings"]

ROOT = Path(__file__).parent.parent.parent


def sign_in_at_the_provider(page: GraphiQL, name: str) -> None:
    """Presses the page's button, and fills in the provider's forms."""
    buttons = (By.XPATH, "//button[contains(., 'Sign in with The Provider')]")
    page._until(lambda: page.driver.find_elements(*buttons))
    page.driver.find_element(*buttons).click()
    page._until(lambda: page._all("input[name=login]"))
    page._one("input[name=login]").send_keys(name)
    page._one("input[name=password]").send_keys("any")
    page._one("button[type=submit]").click()
    page._until(lambda: page._all("input[name=prompt][value=consent]"))
    page._one("button[type=submit]").click()


def visit(url: str, programs: tuple[str, str], profile: Path, name: str) -> str:
    """What the page shows in the end: the name in its bar, or the message of its form."""
    with graphiql(url, programs, profile) as page:
        page.open("/")
        sign_in_at_the_provider(page, name)
        shown = page._until(
            lambda: (
                (page._ready() and page.user())
                or (page._all(".sign-in-message") and page._one(".sign-in-message").text)
            )
        )
        assert "#" not in page.driver.current_url
        return str(shown)


async def test_the_page_signs_in_by_a_provider(
    settings: Settings, office: Office, node: Path, tmp_path: Path
) -> None:
    programs = chromium()
    if programs is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with provider_for(node, f"{url}/oidc/callback") as issuer:
        provider = OidcProvider(
            name="basic",
            title="The Provider",
            issuer=issuer,
            client_id="basic",
            client_secret=SecretStr(SECRET),
        )
        offering = settings.model_copy(update={"public_url": url, "oidc_providers": (provider,)})
        async with served(offering, OwnBell(), port):
            seen = await asyncio.to_thread(visit, url, programs, tmp_path / "1", "stranger")
            assert seen.startswith("No active account here belongs to this sign-in.")
            await office.rows.insert(
                "user_identities", user_id=office.manager.id, issuer=issuer, subject="friend"
            )
            seen = await asyncio.to_thread(visit, url, programs, tmp_path / "2", "friend")
            assert "Person" in seen
