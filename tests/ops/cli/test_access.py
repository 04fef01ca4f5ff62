from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ops.access import GivenToken, LocalAccount, Login
from ops.client import Client, GraphRefused
from tests.product import PASSWORD

if TYPE_CHECKING:
    from domain.settings import Settings
    from ops.client import Access
    from tests.product import Product

SALES = "sales@aetherflow.local"


async def email(served: Product, access: Access) -> str:
    async with Client(served.url, access) as client:
        found = await client.ask("{ viewer { user { email } } }")
    told: str = found["viewer"]["user"]["email"]
    return told


async def test_a_login_goes_on_with_its_refresh_tokens_until_it_ends(served: Product) -> None:
    login = await Login.begin(served.url, SALES, PASSWORD)
    first = await login.token()
    assert await login.renew()
    assert await login.token() != first
    assert await login.renew()
    assert await email(served, login) == SALES

    async with Client(served.url, login) as client:
        await client.ask("mutation { logout { ended } }")
    assert not await login.renew()
    with pytest.raises(GraphRefused) as caught:
        await email(served, login)
    assert caught.value.code == "UNAUTHENTICATED"


async def test_a_local_account_has_another_token_made(served: Product, settings: Settings) -> None:
    account = LocalAccount(settings, SALES)
    first = await account.token()
    assert await account.token() == first
    assert await account.renew()
    assert await account.token() != first
    assert await email(served, account) == SALES


async def test_a_given_token_can_not_be_renewed(served: Product) -> None:
    given = GivenToken(await served.token(SALES))
    assert await email(served, given) == SALES
    assert not await given.renew()
    with pytest.raises(GraphRefused):
        await email(served, GivenToken("stolen"))
    with pytest.raises(GraphRefused):
        await email(served, GivenToken(None))


async def test_a_token_that_ran_out_is_renewed_by_the_next_operation(served: Product) -> None:
    login = await Login.begin(served.url, SALES, PASSWORD)
    login._tokens["accessToken"] = "run out"
    assert await email(served, login) == SALES
