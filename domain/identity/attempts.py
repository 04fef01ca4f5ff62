"""Counting attempts to prove a password, before any work is done for them.

The counts are in PostgreSQL, which an attempt needs anyway, so no outage makes guessing free. They
are taken where the password is about to be compared: aliases, batches and sockets each take one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from domain.database import Row
from domain.errors import RateLimited
from domain.scope import plain_address
from domain.statements import Statement

if TYPE_CHECKING:
    from domain.identity.tokens import Tokens
    from domain.work import Work

WINDOW = timedelta(minutes=15)
ACCOUNT_ATTEMPTS = 10
"""Wrong passwords for one account in a window, wherever they come from."""
ADDRESS_ATTEMPTS = 100
"""Wrong passwords from one address in a window: many people may share one."""

TAKE = Statement(
    "select take_attempts($1, $2, $3) as wait", ("subjects", "limits", "window"), {}, Row
)
RETURN = Statement("select return_attempts($1)", ("subjects",), {}, Row)

IPV6_PREFIX = 64
"""A subscriber has at least so many addresses of IPv6 (RFC 6177), so they count as one."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt that was counted, and for what."""

    subjects: tuple[str, ...]


async def take_attempt(
    work: Work, tokens: Tokens, account: str, address: str | None, *, kind: str = "password"
) -> Taken:
    """Counts an attempt for an account's e-mail address and from a network address.

    Attempts of another ``kind`` are counted apart.

    It leaves the Work with `RateLimited`, the counts kept, when either has none left; the answer
    tells not which.
    """
    limits = {tokens.fingerprint(f"{kind} account {account}"): ACCOUNT_ATTEMPTS}
    if (network := _network(address)) is not None:
        limits[tokens.fingerprint(f"{kind} address {network}")] = ADDRESS_ATTEMPTS
    row = await work.row(TAKE, subjects=list(limits), limits=list(limits.values()), window=WINDOW)
    if row is not None and row.wait is not None:
        minutes = math.ceil(row.wait.total_seconds() / 60)
        message = (
            "There were too many attempts for this account or from this address. "
            f"Try again in {minutes} minutes."
        )
        work.refuse(RateLimited(message))
    return Taken(tuple(limits))


async def return_attempt(work: Work, taken: Taken) -> None:
    """Gives an attempt back that turned out right, so that only wrong ones run out."""
    await work.rows(RETURN, subjects=list(taken.subjects))


def _network(address: str | None) -> str | None:
    plain = plain_address(address)
    if plain is None:
        return None
    parsed = ip_address(plain)
    if not isinstance(parsed, IPv6Address):
        return plain
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
