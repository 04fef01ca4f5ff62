"""How the database runs a prepared statement for somebody, row-level security and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from domain.scope import opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from domain.scope import Identity
    from domain.statements import Statement


def literal(value: Any) -> str:
    """A value as SQL text writes it."""
    if isinstance(value, list):
        return "'{" + ",".join(f'"{each}"' for each in value) + "}'"
    return f"'{value}'"


async def plan(
    app: Any, identity: Identity, statement: Statement, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The plan that a statement runs by once it is prepared, with what each part of it did."""
    await app.execute(opening(identity, write=False))
    try:
        await app.execute(f"prepare asked as {statement.text}")
        values = ", ".join(literal(value) for value in statement.arguments(arguments))
        given = f"({values})" if values else ""
        text = await app.fetchval(
            f"explain (analyze, format json, timing off, summary off) execute asked {given}"
        )
    finally:
        await app.execute("rollback; deallocate asked")
    found: dict[str, Any] = orjson.loads(text)[0]["Plan"]
    return found


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def read(node: dict[str, Any]) -> float:
    """How many rows a node looked at, those included that it threw away."""
    thrown = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    return float((node["Actual Rows"] + thrown) * node["Actual Loops"])


def cost(found: dict[str, Any]) -> float:
    """How many rows of tables a plan looked at; fails where it went through a whole table."""
    total = 0.0
    for node in nodes(found):
        assert node["Node Type"] != "Seq Scan", node
        if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan":
            total += read(node)
    return total
