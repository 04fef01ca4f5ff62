"""The task *ml_inference*: tells a department what its cleaned file says."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from workers.engines.errors import FileError, FileErrorCode
from workers.insights.profiles import Profile, profiles
from workers.insights.report import NotAvailable, Reason, Report, label, plain
from workers.insights.roles import Roles, recognise
from workers.insights.table import Table
from workers.insights.vocabulary import INSIGHTS, NEEDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engines.task import Request

VERSION = 1

MOST_COLUMNS = 120
"""Columns from the first that models may look at; roles are looked for in all."""

# Several threads add up in another order each time, and then the last digits differ.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def make_insight(request: Request) -> dict[str, Any]:
    """Gives a dataset's insight, ``docs/schemas/department_insight.v1.json``.

    The input is the typed Parquet file that etl wrote. ``params`` may have ``mapping``, which says
    what columns are (role to name, or None for none), and ``department``, the insight that the
    dataset's department asks for. The same file and params give the same document, whichever
    process makes it. Raises `FileError` where the mapping can't be followed.
    """
    os.environ.update(ONE_THREAD)
    request.progress.stage("Recognising columns", 0, 10)
    given: Mapping[str, Any] = request.params.get("mapping") or {}
    asked = request.params.get("department")
    table = Table(str(request.input), request.memory_bytes)
    found = profiles(table)
    report = Report()
    insight, roles, why = _choose(report, found, given, asked)
    if insight is not None and roles is not None:
        used = {each.column.at for each in roles.assignments if each.column}
        kept = [each for each in found if each.column.at < MOST_COLUMNS or each.column.at in used]
        table.narrow(each.column for each in kept)
        module = importlib.import_module(f"workers.insights.{insight}")
        # Each library is imported where its figures need it: a start costs the most of a small job.
        getattr(module, f"add_{insight}")(report, table, kept, roles, request.progress)
    request.progress.stage("Writing the insight", 99, 100)
    return {
        "version": VERSION,
        "insight": insight,
        "why": why,
        "rows": table.rows,
        "mapping": _mapping(roles),
        "summary": report.summary,
        "figures": report.figures,
        "not_available": report.not_available,
    }


def _choose(
    report: Report, found: Sequence[Profile], given: Mapping[str, Any], asked: str | None
) -> tuple[str | None, Roles | None, str]:
    """Takes the department's own insight if the columns allow it, otherwise the likeliest.

    A mapping is followed: only insights that have all its roles come into question.
    """
    fitting = [name for name, roles in INSIGHTS.items() if set(given) <= {r.name for r in roles}]
    if not fitting:
        asked_for = ", ".join(sorted(given))
        raise FileError(
            FileErrorCode.MAPPING_DOES_NOT_FIT, f"No insight has all these roles: {asked_for}."
        )
    possible: dict[str, Roles] = {}
    for name in fitting:
        with report.attempt(name):
            roles = recognise(INSIGHTS[name], found, given)
            missing = [
                what
                for what, ways in NEEDS[name].items()
                if not any(all(map(roles.get, way)) for way in ways)
            ]
            if missing:
                needs = f"The {name} insight needs {' and '.join(missing)}."
                raise NotAvailable(Reason.NO_COLUMN, needs)
            possible[name] = roles
    if not possible:
        report.say("The columns allow no insight. A mapping can say what they are.")
        return None, None, "The columns allow none of the insights."
    # Of the insights that were not chosen only the one that was wanted is missed.
    report.not_available = [each for each in report.not_available if each["figure"] == asked]
    if asked in possible:
        return asked, possible[asked], f"The department is part of {asked}, and the columns fit."
    chosen = max(possible, key=lambda name: possible[name].weight)
    return chosen, possible[chosen], "Of all insights the columns fit this one best."


def _mapping(roles: Roles | None) -> list[dict[str, Any]]:
    return [
        {
            "role": each.role.name,
            "column": label(each.column.name) if each.column else None,
            "given": each.given,
            "confidence": plain(each.confidence),
            "why": each.why,
        }
        for each in (roles.assignments if roles else ())
    ]
