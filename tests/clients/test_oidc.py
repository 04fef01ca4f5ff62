"""Signing in at a real OpenID Connect provider, as a browser does it."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from domain.bell import Silence
from domain.identity.tokens import challenge_of
from domain.settings import OidcProvider, Settings
from graph.app import create_app
from tests.clients.conftest import HERE
from tests.domain.identity.conftest import Office, office
from tests.factories.fixtures import database, own_database, owner, rows
from tests.graph.identity.test_mutations import mutation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.conftest import Servers
    from tests.factories.rows import Person

__all__ = ["database", "office", "owner", "rows"]

FLOW = "http://flow.test"
SECRET = "a secret of the client & of nobody else"
VERIFIER = "a verifier that the page keeps to itself"
USER = "user { id email fullName roles { name } departments { code } }"
SIGN_IN = mutation("completeSignIn", f"accessToken refreshToken expiresAt viewer {{ {USER} }}")
LINK = mutation("linkIdentity", "url")
COMPLETE_LINK = mutation("completeLink", "viewer { linkedIdentities { id issuer } }")
UNLINK = mutation("unlinkIdentity", "viewer { linkedIdentities { id } }")


@pytest.fixture(scope="module")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    yield from own_database(servers, process_number, settings, "oidc")


@pytest.fixture
async def issuer(node: Path) -> AsyncIterator[str]:
    """The issuer of a provider that runs beside the test."""
    async with provider_for(node, f"{FLOW}/oidc/callback") as issuer:
        yield issuer


@asynccontextmanager
async def provider_for(node: Path, redirect_uri: str) -> AsyncIterator[str]:
    """Runs a provider that sends its answers to this address; gives its issuer."""
    process = await asyncio.create_subprocess_exec(
        node,
        HERE / "oidc_provider.mjs",
        redirect_uri,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    async with asyncio.timeout(30):
        said = json.loads(await process.stdout.readline())
    yield said["issuer"]
    process.stdin.close()
    async with asyncio.timeout(10):
        await process.wait()


@dataclass
class Browser:
    """A browser with cookies of its own, before which somebody sits."""

    client: httpx.AsyncClient
    office: Office

    async def arrive(self, start: str, name: str, **query: str) -> str:
        """Signs in at the provider as ``name``, and gives the address where that ends."""
        # The provider would remember who signed in last.
        self.client.cookies.clear()
        asked = {"challenge": challenge_of(VERIFIER)} | query
        joint = "&" if "?" in start else "?"
        return await self.follow(f"{start}{joint}{urlencode(asked)}", name)

    async def follow(self, url: str, name: str, *, until: str = f"{FLOW}/graphiql") -> str:
        """Goes where it is sent, and fills in the provider's forms."""
        for _ in range(20):
            if url.startswith(until):
                return url
            answer = await self.client.get(url)
            if answer.status_code == 200:
                (action,) = re.findall(r'<form[^>]*action="([^"]+)"', answer.text)
                prompt = re.findall(r'name="prompt" value="([^"]+)"', answer.text)[0]
                form = {"prompt": prompt, "login": name, "password": "any"}
                answer = await self.client.post(urljoin(url, action), data=form)
            assert answer.is_redirect, (url, answer.status_code, answer.text)
            url = urljoin(url, answer.headers["location"])
        raise AssertionError(url)

    async def ask(self, query: str, person: Person | str | None = None, **given: Any) -> Any:
        """Asks the graph something, as somebody or with an access token."""
        headers = {}
        if person is not None:
            token = person
            if not isinstance(person, str):
                token = self.office.tokens.access(person.id, person.session_id)[0]
            headers["authorization"] = f"Bearer {token}"
        body = {"query": query, "variables": {"input": given}}
        answer = await self.client.post(f"{FLOW}/graphql", json=body, headers=headers)
        return answer.json()

    async def refusal(self, query: str, person: Person | None = None, **given: Any) -> Any:
        """The one error of something that is refused and changes nothing."""
        async with self.office.unchanged():
            answer = await self.ask(query, person, **given)
        (error,) = answer["errors"]
        return error["extensions"]

    async def signed_in(self, name: str, provider: str = "basic") -> Any:
        """What completeSignIn answers to somebody at the provider."""
        told = fragment(await self.arrive(f"{FLOW}/oidc/{provider}/start", name))
        return await self.ask(SIGN_IN, code=told["sign_in_code"], verifier=VERIFIER)

    async def link(self, person: Person, name: str) -> Any:
        """Links somebody at the provider to a person's account."""
        url = (await self.ask(LINK, person, provider="basic"))["data"]["linkIdentity"]["url"]
        told = fragment(await self.arrive(url, name))
        return await self.ask(COMPLETE_LINK, person, code=told["link_code"], verifier=VERIFIER)


def fragment(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).fragment))


@asynccontextmanager
async def browsing(settings: Settings, office: Office, issuer: str, **options: Any) -> Any:
    """Browsers of the application, whose providers are one with several kinds of client."""
    providers = tuple(
        OidcProvider(
            name=name,
            issuer=issuer,
            client_id=name,
            client_secret=None if name == "public" else SecretStr(SECRET),
            **options,
        )
        for name in ("basic", "post", "public")
    )
    app = create_app(
        settings.model_copy(update={"public_url": FLOW, "oidc_providers": providers}), Silence()
    )
    transport = httpx.ASGITransport(app)
    opened = []

    def browser() -> Browser:
        client = httpx.AsyncClient(mounts={FLOW: transport}, trust_env=False, timeout=20)
        opened.append(client)
        return Browser(client, office)

    async with app.router.lifespan_context(app):
        try:
            yield browser
        finally:
            for client in opened:
                await client.aclose()


@pytest.fixture
async def browser(settings: Settings, office: Office, issuer: str) -> AsyncIterator[Browser]:
    async with browsing(settings, office, issuer) as made:
        yield made()


async def test_the_page_learns_where_to_sign_in(browser: Browser) -> None:
    answer = await browser.ask("{ signInProviders { name title startUrl } }")
    assert answer["data"]["signInProviders"][0] == {
        "name": "basic",
        "title": "basic",
        "startUrl": f"{FLOW}/oidc/basic/start",
    }


@pytest.mark.parametrize("provider", ["basic", "post", "public"])
async def test_a_linked_subject_signs_in_as_login_does(browser: Browser, provider: str) -> None:
    manager = browser.office.manager
    name = f"linked-{provider}"
    linked = await browser.link(manager, name)
    assert len(linked["data"]["completeLink"]["viewer"]["linkedIdentities"]) == 1
    tokens = (await browser.signed_in(name, provider))["data"]["completeSignIn"]
    assert tokens["viewer"]["user"]["email"] == manager.email
    viewer = "{ viewer { user { email } } }"
    seen = await browser.ask(viewer, tokens["accessToken"])
    assert seen["data"]["viewer"]["user"]["email"] == manager.email
    refresh = mutation("refreshSession", "accessToken")
    assert (await browser.ask(refresh, refreshToken=tokens["refreshToken"]))["data"]


async def test_an_unknown_subject_is_refused_and_nothing_is_made(browser: Browser) -> None:
    told = fragment(await browser.arrive(f"{FLOW}/oidc/basic/start", "stranger"))
    refused = await browser.refusal(SIGN_IN, code=told["sign_in_code"], verifier=VERIFIER)
    assert refused["code"] == "FORBIDDEN"
    assert [each["code"] for each in refused["fieldErrors"]] == ["unknown_identity"]


async def test_an_account_is_never_found_by_its_address(browser: Browser) -> None:
    office = browser.office
    await office.rows.person(office.place, email="same@people.example")
    told = fragment(await browser.arrive(f"{FLOW}/oidc/basic/start", "same"))
    refused = await browser.refusal(SIGN_IN, code=told["sign_in_code"], verifier=VERIFIER)
    assert [each["code"] for each in refused["fieldErrors"]] == ["unknown_identity"]


async def test_a_closed_account_is_refused(browser: Browser) -> None:
    office = browser.office
    person = await office.rows.person(office.place)
    await browser.link(person, "leaver")
    await office.rows.connection.execute(
        "update users set is_active = false where id = $1", person.id
    )
    told = fragment(await browser.arrive(f"{FLOW}/oidc/basic/start", "leaver"))
    refused = await browser.refusal(SIGN_IN, code=told["sign_in_code"], verifier=VERIFIER)
    assert refused["code"] == "FORBIDDEN"


async def test_makes_an_account_where_the_settings_say_so(
    settings: Settings, office: Office, issuer: str
) -> None:
    code = await office.code(office.place)
    options = {"provision_department": code, "provision_role": "viewer"}
    async with browsing(settings, office, issuer, **options) as made:
        browser = made()
        first = (await browser.signed_in("newcomer"))["data"]["completeSignIn"]["viewer"]["user"]
        assert first["email"] == "newcomer@people.example"
        assert first["fullName"] == "newcomer of the tests"
        assert first["roles"] == [{"name": "viewer"}]
        assert first["departments"] == [{"code": code}]
        again = (await made().signed_in("newcomer"))["data"]["completeSignIn"]["viewer"]["user"]
        assert again["id"] == first["id"]
        await office.rows.person(office.place, email="taken@people.example")
        for name, wanted in (
            ("taken", "CONFLICT"),
            ("nobody", "FORBIDDEN"),
            ("unverified", "FORBIDDEN"),
        ):
            told = fragment(await made().arrive(f"{FLOW}/oidc/basic/start", name))
            given: dict[str, Any] = {"code": told["sign_in_code"], "verifier": VERIFIER}
            assert (await browser.refusal(SIGN_IN, **given))["code"] == wanted, name


async def test_a_code_works_once_and_for_the_page_that_began(browser: Browser) -> None:
    await browser.link(browser.office.manager, "once")
    start = f"{FLOW}/oidc/basic/start"
    code = fragment(await browser.arrive(start, "once"))["sign_in_code"]
    for _ in range(2):
        given: dict[str, Any] = {"code": code, "verifier": "another page's verifier"}
        assert (await browser.refusal(SIGN_IN, **given))["code"] == "INVALID_INPUT"
    # Whoever tried it has used it up, for the page that began too.
    assert (await browser.refusal(SIGN_IN, code=code, verifier=VERIFIER))["code"] == "INVALID_INPUT"
    code = fragment(await browser.arrive(start, "once"))["sign_in_code"]
    assert (await browser.ask(SIGN_IN, code=code, verifier=VERIFIER))["data"]
    assert (await browser.refusal(SIGN_IN, code=code, verifier=VERIFIER))["code"] == "INVALID_INPUT"
    code = fragment(await browser.arrive(start, "once"))["sign_in_code"]
    await browser.office.rows.connection.execute("update one_time_codes set expires_at = now()")
    assert (await browser.refusal(SIGN_IN, code=code, verifier=VERIFIER))["code"] == "INVALID_INPUT"


async def test_a_link_is_completed_by_the_account_that_began_it_alone(browser: Browser) -> None:
    office = browser.office
    other = await office.rows.person(office.elsewhere)
    url = (await browser.ask(LINK, office.manager, provider="basic"))["data"]["linkIdentity"]["url"]
    code = fragment(await browser.arrive(url, "linking"))["link_code"]
    given: dict[str, Any] = {"code": code, "verifier": VERIFIER}
    assert (await browser.refusal(SIGN_IN, **given))["code"] == "INVALID_INPUT"
    assert (await browser.refusal(COMPLETE_LINK, **given))["code"] == "UNAUTHENTICATED"
    assert (await browser.refusal(COMPLETE_LINK, other, **given))["code"] == "INVALID_INPUT"
    assert (await browser.refusal(COMPLETE_LINK, office.manager, **given))[
        "code"
    ] == "INVALID_INPUT"
    await browser.link(office.manager, "linking")
    # A subject opens one account.
    url = (await browser.ask(LINK, other, provider="basic"))["data"]["linkIdentity"]["url"]
    code = fragment(await browser.arrive(url, "linking"))["link_code"]
    given = {"code": code, "verifier": VERIFIER}
    assert (await browser.refusal(COMPLETE_LINK, other, **given))["code"] == "CONFLICT"


async def test_takes_a_linked_sign_in_away_unless_it_is_the_only_way_in(browser: Browser) -> None:
    office = browser.office
    person = await office.rows.person(office.place, password_hash=None)
    answer = await browser.link(person, "only")
    (only,) = answer["data"]["completeLink"]["viewer"]["linkedIdentities"]
    given = {"linkedIdentityId": only["id"]}
    assert (await browser.refusal(UNLINK, person, **given))["code"] == "CONFLICT"
    assert (await browser.refusal(UNLINK, office.manager, **given))["code"] == "NOT_FOUND"
    await browser.link(person, "second")
    left = (await browser.ask(UNLINK, person, **given))["data"]["unlinkIdentity"]["viewer"]
    assert len(left["linkedIdentities"]) == 1
    told = fragment(await browser.arrive(f"{FLOW}/oidc/basic/start", "only"))
    refused = await browser.refusal(SIGN_IN, code=told["sign_in_code"], verifier=VERIFIER)
    assert refused["code"] == "FORBIDDEN"


async def test_an_answer_is_taken_by_the_browser_that_began_alone(
    settings: Settings, office: Office, issuer: str
) -> None:
    async with browsing(settings, office, issuer) as made:
        browser, other = made(), made()
        start = f"{FLOW}/oidc/basic/start?challenge={challenge_of(VERIFIER)}"
        callback = await browser.follow(start, "victim", until=f"{FLOW}/oidc/callback")
        async with office.unchanged():
            for url in (callback, re.sub(r"state=[^&]+", "state=" + "x" * 43, callback)):
                refused = await other.client.get(url)
                assert refused.status_code == 400
                assert "location" not in refused.headers
        answer = await browser.client.get(callback)
        assert "sign_in_code" in answer.headers["location"]
        # Its cookie is gone with it, and the provider takes a code once.
        assert (await browser.client.get(callback)).status_code == 400


async def test_what_the_provider_refuses_is_told_in_a_word(browser: Browser) -> None:
    start = f"{FLOW}/oidc/basic/start?challenge={challenge_of(VERIFIER)}"
    for further, word in (
        ("error=access_denied", "refused"),
        ("code=made-up", "unauthenticated"),
        ("code=made-up&iss=https://attacker.example", "wrong_issuer"),
    ):
        sent = (await browser.client.get(start)).headers["location"]
        state = dict(parse_qsl(urlsplit(sent).query))["state"]
        answer = await browser.client.get(f"{FLOW}/oidc/callback?state={state}&{further}")
        assert fragment(answer.headers["location"]) == {"sign_in_error": word}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "challenge=short",
        f"challenge={'x' * 43}&return_to=https://attacker.example/",
        f"challenge={'x' * 43}&return_to=//attacker.example/",
        f"challenge={'x' * 43}&return_to=/%5cattacker.example/",
        f"challenge={'x' * 43}&return_to=/page%23code",
        f"challenge={'x' * 43}&return_to=javascript:alert(1)",
        f"challenge={'x' * 43}&return_to=/a%0d%0aset-cookie:b",
        f"challenge={'x' * 43}&ticket=none",
    ],
)
async def test_refuses_to_begin_what_could_end_elsewhere(browser: Browser, query: str) -> None:
    answer = await browser.client.get(f"{FLOW}/oidc/basic/start?{query}")
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers
    assert "content-security-policy" in answer.headers


async def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    answer = await browser.client.get(f"{FLOW}/oidc/other/start?challenge={'x' * 43}")
    assert answer.status_code == 404
    answer = await browser.ask(LINK, browser.office.manager, provider="other")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_cookie_of_a_sign_in_is_for_nothing_else(browser: Browser) -> None:
    start = f"{FLOW}/oidc/basic/start?challenge={challenge_of(VERIFIER)}"
    answer = await browser.client.get(start)
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "path=/oidc", "max-age=600"):
        assert word in cookie
    sent = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["code_challenge"]) == 43
    assert sent["nonce"] != sent["state"]
    token = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    seen = await browser.ask("{ viewer { permissions } }", token)
    assert seen["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
