"""One-time codes: what a letter or an identity provider's answer gives a person to prove with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.database import Row
from domain.identity.tokens import digest, new_code
from domain.statements import Statement

if TYPE_CHECKING:
    from datetime import timedelta
    from uuid import UUID

    from domain.identity.models import CodePurpose
    from domain.work import Work

LONGEST_CODE = 200

ISSUE = Statement(
    "select issue_code($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    (
        "purpose",
        "hash",
        "life",
        "user_id",
        "issuer",
        "subject",
        "email",
        "full_name",
        "challenge",
    ),
    {},
    Row,
)
HOLDS = Statement("select code_holds($1, $2) as holds", ("purpose", "hash"), {}, Row)
TAKE = Statement("select * from take_code($1, $2)", ("purpose", "hash"), {}, Row)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a code stands for: an account, or somebody at an identity provider."""

    user_id: UUID | None = None
    issuer: str | None = None
    subject: str | None = None
    email: str | None = None
    full_name: str | None = None
    challenge: str | None = None


async def issue_code(work: Work, purpose: CodePurpose, life: timedelta, proof: Proof) -> str:
    """Keeps the digest of a new code, and gives the code."""
    code, hashed = new_code()
    await work.rows(
        ISSUE,
        purpose=purpose,
        hash=hashed,
        life=life,
        user_id=proof.user_id,
        issuer=proof.issuer,
        subject=proof.subject,
        email=proof.email,
        full_name=proof.full_name,
        challenge=proof.challenge,
    )
    return code


async def code_holds(work: Work, purpose: CodePurpose, code: str) -> bool:
    """Whether a code would be taken, leaving it as it is."""
    row = await work.row(HOLDS, purpose=purpose, hash=_hash(code))
    return row is not None and bool(row.holds)


async def take_code(work: Work, purpose: CodePurpose, code: str) -> Proof | None:
    """Uses a code up and gives what it stands for; None for one that is wrong, used or expired.

    Of several that take one code at once, exactly one gets it.
    """
    row = await work.row(TAKE, purpose=purpose, hash=_hash(code))
    if row is None:
        return None
    return Proof(row.user_id, row.issuer, row.subject, row.email, row.full_name, row.challenge)


def _hash(code: str) -> str:
    return digest(code[:LONGEST_CODE])
