"""The ways in which the command signs in; each can go on when its token has run out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops.client import Client, GraphRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from domain.settings import Settings

LOGIN = """
mutation Login($input: LoginInput!) { login(input: $input) { accessToken refreshToken } }
"""

REFRESH = """
mutation Refresh($input: RefreshSessionInput!) {
  refreshSession(input: $input) { accessToken refreshToken }
}
"""


class GivenToken:
    """A token that somebody brought along; it can't be renewed."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self) -> str | None:
        """Gives it."""
        return self._token

    async def renew(self) -> bool:
        """Can't."""
        return False


class LocalAccount:
    """An account of the database on this machine, whose tokens are made with the secret key."""

    def __init__(self, settings: Settings, email: str) -> None:
        self._settings = settings
        self._email = email
        self._token: str | None = None

    async def token(self) -> str:
        """Gives a token. Raises `NotFound` where no active account has this address."""
        if self._token is None:
            from domain.bootstrap import issue_token  # noqa: PLC0415 (it loads the database's side)

            self._token = await issue_token(self._settings, self._email)
        return self._token

    async def renew(self) -> bool:
        """Has another one made."""
        self._token = None
        return True


class Login:
    """A session that began with a password, and goes on with its refresh tokens."""

    def __init__(self, server: str, tokens: Mapping[str, Any]) -> None:
        self._server = server
        self._tokens = dict(tokens)

    @classmethod
    async def begin(cls, server: str, email: str, password: str) -> Login:
        """Signs in. Raises `GraphRefused`."""
        given = {"email": email, "password": password}
        async with Client(server, GivenToken(None)) as client:
            return cls(server, (await client.ask(LOGIN, {"input": given}))["login"])

    async def token(self) -> str:
        """Gives the access token of the session."""
        return str(self._tokens["accessToken"])

    async def renew(self) -> bool:
        """Uses up the refresh token; says no when the session has ended."""
        given = {"refreshToken": self._tokens["refreshToken"]}
        async with Client(self._server, GivenToken(None)) as client:
            try:
                answer = await client.ask(REFRESH, {"input": given})
            except GraphRefused:
                return False
        self._tokens = dict(answer["refreshSession"])
        return True
