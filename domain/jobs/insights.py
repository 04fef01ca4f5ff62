"""What a caller may say of a dataset's columns when an insight is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ROLES = {
    "sales": frozenset(
        {
            "time",
            "order",
            "product",
            "product_name",
            "quantity",
            "unit_price",
            "amount",
            "customer",
            "status",
            "cancelled",
        }
    ),
    "supply": frozenset(
        {
            "ordered_at",
            "finished_at",
            "promised_at",
            "promised_days",
            "actual_days",
            "late",
            "region",
            "category",
        }
    ),
    "finance": frozenset({"time", "entity", "identifier", "outcome", "amount"}),
}
"""The roles that columns have in the insight of each department."""

MANY = frozenset({"amount"})
"""Roles that several columns may have; in the insight of sales an amount is one column."""


def check_insight_params(params: Mapping[str, Any], columns: Collection[str]) -> None:
    """Checks that ``mapping``, the only parameter, gives columns of the dataset to roles.

    Raises `InvalidInput` with an error for each field that is wrong. Whether the values of a column
    are of the right type is found when the insight is made.
    """
    unknown = params.keys() - {"mapping"}
    errors = [_error((name,), "There is no such parameter.") for name in sorted(unknown)]
    mapping = params.get("mapping")
    if mapping is not None and not isinstance(mapping, dict):
        errors.append(_error(("mapping",), "A mapping is an object of roles and column names."))
    given = mapping if isinstance(mapping, dict) else {}
    known = frozenset[str]().union(*ROLES.values())
    for role, asked in given.items():
        names = asked if isinstance(asked, list) and role in MANY else [asked]
        if role not in known:
            message = f"There is no such role; there are {', '.join(sorted(known))}."
            errors.append(_error(("mapping", role), message))
        elif not names or any(not isinstance(name, str | None) for name in names):
            message = "A role gets a column's name or null; an amount may get a list of names."
            errors.append(_error(("mapping", role), message))
        else:
            errors += [
                _error(("mapping", role), f"The dataset has no column “{name}”.")
                for name in names
                if name is not None and name not in columns
            ]
    if not errors and not any(given.keys() <= roles for roles in ROLES.values()):
        errors.append(_error(("mapping",), "These are roles of different insights."))
    if errors:
        raise InvalidInput(errors[0].message, fields=tuple(errors))


def _error(path: tuple[str, ...], message: str) -> FieldError:
    return FieldError(("params", *path), "invalid", message)
