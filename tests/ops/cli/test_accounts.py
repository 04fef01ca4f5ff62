from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.product import PASSWORD

if TYPE_CHECKING:
    from tests.ops.cli.conftest import Command
    from tests.product import Product

ACCOUNTS = "{ users { totalCount nodes { email roles { name } } } }"
VIEWER = "{ viewer { user { email fullName } departments { code } permissions } }"


async def test_prints_a_token_and_nothing_else(
    command: Command, served: Product, variables: dict[str, str]
) -> None:
    done = command("token", "--email", "finance@aetherflow.local", env=variables)
    assert done.returncode == 0
    assert done.stderr == ""
    viewer = (await served.data(VIEWER, token=done.stdout.strip()))["viewer"]
    assert viewer["user"]["email"] == "finance@aetherflow.local"
    assert viewer["departments"] == [{"code": "finance"}]


def test_gives_no_token_for_an_unknown_account(command: Command, variables: dict[str, str]) -> None:
    done = command("token", "--email", "nobody@aetherflow.local", env=variables)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "'nobody@aetherflow.local'" in done.stderr


def add(
    command: Command, variables: dict[str, str], email: str, *words: str, stdin: str | None = None
) -> tuple[int, str]:
    given = ("--department", "supply", "--role", "viewer", *words)
    name = ("--name", "Ada Lovelace")
    done = command("user", "add", "--email", email, *name, *given, env=variables, stdin=stdin)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


async def test_makes_an_account_that_can_sign_in(
    command: Command, served: Product, variables: dict[str, str]
) -> None:
    more = ("--department", "finance", "--password-stdin")
    code, told = add(command, variables, "ada@example.com", *more, stdin=f"{PASSWORD}\n")
    assert (code, told) == (0, "ada@example.com can sign in now.\n")
    viewer = (await served.data(VIEWER, token=await served.token("ada@example.com")))["viewer"]
    assert viewer["user"]["fullName"] == "Ada Lovelace"
    assert {found["code"] for found in viewer["departments"]} == {"supply", "finance"}
    assert "dataset:read" in viewer["permissions"]
    assert "dataset:write" not in viewer["permissions"]


@pytest.mark.parametrize(
    ("email", "words", "password", "says"),
    [
        ("sales@aetherflow.local", (), PASSWORD, "exists already"),
        ("no address", (), PASSWORD, "address"),
        ("grace@example.com", ("--department", "atlantis"), PASSWORD, "'atlantis'"),
        ("grace@example.com", ("--role", "queen"), PASSWORD, "'queen'"),
        ("grace@example.com", (), "short", "8"),
    ],
)
async def test_makes_no_account_of_what_breaks_a_rule(
    command: Command,
    served: Product,
    variables: dict[str, str],
    email: str,
    words: tuple[str, ...],
    password: str,
    says: str,
) -> None:
    admin = await served.token("admin@aetherflow.local")
    before = await served.data(ACCOUNTS, token=admin)
    given = (*words, "--password-stdin")
    code, told = add(command, variables, email, *given, stdin=f"{password}\n")
    assert code == 1
    assert says in told
    assert told.count("\n") == 1
    assert await served.data(ACCOUNTS, token=admin) == before


def test_asks_nobody_where_there_is_no_terminal(
    command: Command, variables: dict[str, str]
) -> None:
    code, told = add(command, variables, "grace@example.com")
    assert code == 1
    assert "--password-stdin" in told


def test_needs_the_owner_s_address(command: Command, variables: dict[str, str]) -> None:
    without = {
        name: value for name, value in variables.items() if name != "AETHERFLOW_OWNER_DATABASE_URL"
    }
    code, told = add(command, without, "grace@example.com", "--password-stdin", stdin=PASSWORD)
    assert code == 1
    assert "AETHERFLOW_OWNER_DATABASE_URL is not set" in told
