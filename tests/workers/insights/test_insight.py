"""Which insight is made, what a mapping does to it, and that it is the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from domain.jobs.insights import MANY, ROLES
from tests.workers.insights.conftest import DATA, missing, points
from workers.bubblewrap import PROJECT
from workers.engines.errors import FileError, FileErrorCode
from workers.insights.vocabulary import INSIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.workers.insights.conftest import Insight

SALES = pd.DataFrame({"invoice": ["1", "2"], "qty": [1, 2], "price": [2.0, 3.0]})
SUPPLY = pd.DataFrame({"lead time": [1.0, 5.0], "promised days": [2, 2]})
BOTH = pd.concat([SALES, SUPPLY], axis=1)


def test_callers_may_name_the_roles_that_there_are() -> None:
    assert {name: {role.name for role in roles} for name, roles in INSIGHTS.items()} == ROLES
    many = {role.name for roles in INSIGHTS.values() for role in roles if role.many}
    assert many == MANY


@pytest.mark.parametrize(
    ("table", "department", "expected"),
    [
        (SALES, "sales", "sales"),
        (SALES, None, "sales"),
        (SALES, "supply", "sales"),
        (SUPPLY, "sales", "supply"),
        (BOTH, "sales", "sales"),
        (BOTH, "supply", "supply"),
        (BOTH, None, "supply"),
    ],
)
def test_the_department_chooses_where_the_columns_allow_it(
    insight: Insight, table: pd.DataFrame, department: str | None, expected: str
) -> None:
    found = insight(table, department=department)
    assert found["insight"] == expected
    # The insight that was wanted is missed, the others are not.
    insights = {each for each in missing(found) if each in INSIGHTS}
    assert insights == ({department} - {expected} - {None})
    assert (f"part of {department}" in found["why"]) is (department == expected)


def test_the_file_that_fits_nothing_gets_no_figure_and_the_reasons(insight: Insight) -> None:
    found = insight(pd.DataFrame({"colour": ["red", "blue"], "size": [1, 2]}), department="sales")
    assert (found["insight"], found["figures"], found["mapping"]) == (None, {}, [])
    assert missing(found) == dict.fromkeys(("sales", "supply", "finance"), "NO_COLUMN")
    reasons = {each["figure"]: each["reason"] for each in found["not_available"]}
    assert "an amount, or a quantity and a unit price" in reasons["sales"]
    assert "promised days or a promised date" in reasons["supply"]


def test_a_table_without_rows_claims_nothing(insight: Insight) -> None:
    found = insight(SALES.head(0), department="sales")
    assert (found["rows"], found["figures"]) == (0, {})


def test_values_that_are_no_numbers_are_no_amounts(insight: Insight) -> None:
    table = pd.DataFrame({"order": ["a", "b", "c"], "amount": [1.0, float("nan"), float("inf")]})
    found = insight(table, department="sales")
    assert found["figures"]["revenue"]["points"][0]["gross"] == 1
    assert found["figures"]["revenue"]["notes"] == ["2 lines have no revenue."]


def test_texts_of_the_data_stay_texts(insight: Insight) -> None:
    odd = 'it\'s "a";\0 drop view data --' + "x" * 300
    table = pd.DataFrame({"order": ["a"] * 3, "product": [odd] * 3, "amount": [1.0, 2.0, 3.0]})
    (best,) = insight(table, department="sales")["figures"]["best_products"]["points"]
    assert best["product"] == odd.replace("\0", "\ufffd")[:199] + "…"
    random = np.random.default_rng(1)
    risk = pd.DataFrame(
        {
            "amount": random.lognormal(3, 1, 400),
            "kind": random.choice([odd[:20], "b'", ""], 400),
            "default": random.random(400) < 0.4,
        }
    )
    columns = points(insight(risk, department="finance"), "outcome_risk_columns")
    assert columns["used"][columns["column"] == "kind"].all()


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"amount": "invoice"}, "amount “invoice”, which holds text and not number"),
        ({"amount": "nothing"}, "amount “nothing”, which is no column"),
        ({"amount": ["qty", "price"], "order": None}, "2 columns, and it can have one"),
        ({"late": "qty", "order": "qty"}, "No insight has all these roles: late, order"),
    ],
)
def test_a_mapping_that_can_not_be_followed_is_refused(
    insight: Insight, mapping: dict[str, Any], told: str
) -> None:
    with pytest.raises(FileError) as caught:
        insight(SALES, department="sales", mapping=mapping)
    assert caught.value.code is FileErrorCode.MAPPING_DOES_NOT_FIT
    assert told in caught.value.message


def test_a_mapping_speaks_for_the_insight_that_has_its_roles(insight: Insight) -> None:
    found = insight(BOTH, department="sales", mapping={"promised_days": "qty"})
    assert found["insight"] == "supply"


ONCE = """
import json, sys
from pathlib import Path
from workers.engines.etl import convert
from workers.engines.progress import Progress
from workers.engines.task import Request
from workers.insights.insight import make_insight
def request(name, kind, **params):
    return Request(Path(name), kind, params, 1 << 30, Progress(lambda *_: None))
convert(request("input", "csv"))
print(json.dumps(make_insight(request("output.parquet", "parquet", department=sys.argv[1]))))
"""


def test_the_same_file_gives_the_same_figures_in_another_process(
    tmp_path: Any, real: Callable[[str], dict[str, Any]]
) -> None:
    for department, name in (("supply", "supply_dataco"), ("sales", "sales_online")):
        (path,) = DATA.glob(f"{name}*.csv")
        (tmp_path / "input").write_bytes(path.read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", ONCE, department],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"},
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout) == real(department)


def test_an_insight_loads_no_more_than_it_needs(tmp_path: Any) -> None:
    SALES.to_csv(tmp_path / "input", index=False)
    loaded = "loaded = {'scipy', 'sklearn'} & set(sys.modules)\nassert not loaded, loaded"
    subprocess.run(
        [sys.executable, "-c", ONCE + loaded, "sales"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        check=True,
    )
