"""The one task of the children that `bench jobs` starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.engines.task import Request

TASKS = {"nothing": "ops.bench.empty_tasks:nothing"}


def nothing(_request: Request) -> dict[str, Any]:
    """Does nothing, in the sandbox."""
    return {}
