"""The figures of supply against pandas and scikit-learn, on the real file and on made ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tests.workers.insights.conftest import column_of, lines, missing, numbers, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.workers.insights.conftest import Insight

    Real = Callable[[str], dict[str, Any]]

PROMISED = "Days for shipment (scheduled)"


@pytest.fixture(scope="module")
def sent() -> pd.DataFrame:
    found = lines("supply")
    found["ordered"] = pd.to_datetime(found["order date (DateOrders)"], format="%m/%d/%Y %H:%M")
    shipped = pd.to_datetime(found["shipping date (DateOrders)"], format="%m/%d/%Y %H:%M")
    found["actual"] = (shipped.dt.normalize() - found["ordered"].dt.normalize()).dt.days
    found["promised"] = found[PROMISED].astype(int)
    found["late"] = found["actual"] > found["promised"]
    found["region"] = found["Order Region"].str.strip()
    return found


def wilson(hits: float, rows: float) -> tuple[float, float]:
    """The roots of the quadratic that Wilson's interval solves, by NumPy."""
    share, z = hits / rows, 1.959963984540054
    low, high = np.sort(np.roots([1 + z**2 / rows, -(2 * share + z**2 / rows), share**2]).real)
    return float(low), float(high)


def test_compares_promised_and_actual_days(real: Real, sent: pd.DataFrame) -> None:
    found = numbers(real("supply"), "promised_and_actual")
    over = sent["actual"] - sent["promised"]
    assert found["rows"] == len(sent) == 10_000
    assert found["late"] == sent["late"].sum() == 5759
    assert found["share"] == pytest.approx(sent["late"].mean())
    assert (found["lower"], found["upper"]) == pytest.approx(wilson(5759, 10_000))
    assert found["promised_mean"] == pytest.approx(sent["promised"].mean())
    assert found["actual_mean"] == pytest.approx(sent["actual"].mean())
    assert found["actual_median"] == sent["actual"].median()
    assert found["days_late_mean"] == pytest.approx(over[over > 0].mean())
    assert found["early_share"] == pytest.approx((over < 0).mean())
    delays = points(real("supply"), "delays")
    assert dict(zip(delays["days"], delays["rows"], strict=True)) == over.value_counts().to_dict()


@pytest.mark.parametrize("group", ["region", "month"])
def test_rates_groups(real: Real, sent: pd.DataFrame, group: str) -> None:
    key = sent["region"] if group == "region" else sent["ordered"].dt.strftime("%Y-%m-01")
    expected = sent.groupby(key)["late"].agg(["mean", "sum", "size"])
    found = points(real("supply"), f"late_by_{group}").set_index(
        "region" if group == "region" else "date"
    )
    assert set(found.index) == set(expected.index)
    expected = expected.loc[found.index]
    assert list(found["share"]) == pytest.approx(list(expected["mean"]))
    assert list(found["late"]) == list(expected["sum"])
    assert list(found["rows"]) == list(expected["size"])
    for at, row in expected.iterrows():
        low, high = wilson(row["sum"], row["size"])
        assert (found.loc[at, "lower"], found.loc[at, "upper"]) == pytest.approx((low, high))
    order = found["rows"].is_monotonic_decreasing if group == "region" else found.index
    assert order is True or list(order) == sorted(order)


def test_says_which_groups_differ_and_that_these_do_not(real: Real, insight: Insight) -> None:
    assert "By region the share late differs no more than by chance." in real("supply")["summary"]
    table = orders(1000)
    table["promised days"] = 3
    table["transit days"] = 3 + np.where(
        table["region"] == "North", np.arange(1000) % 5 > 0, np.arange(1000) % 5 == 0
    )
    found = insight(table, department="supply")
    assert "By region, North is late most (80.0 %), South least (20.0 %)." in found["summary"]


def test_a_missing_category_is_named_and_a_given_one_used(real: Real, insight: Insight) -> None:
    assert missing(real("supply")) == {"late_by_category": "NO_COLUMN"}
    found = insight(orders(100), department="supply", mapping={"category": "carrier code"})
    assert set(points(found, "late_by_category")["category"]) == {"A", "B", "C"}


def test_what_drives_lateness_is_found_and_judged_by_later_rows(
    real: Real, sent: pd.DataFrame
) -> None:
    found = numbers(real("supply"), "late_risk")
    # The same question to a plain model of another kind: the latest quarter is held out.
    features = pd.DataFrame(
        {
            "promised": sent["promised"],
            "region": sent["region"].astype("category").cat.codes,
            "hour": sent["ordered"].dt.hour,
            "weekday": sent["ordered"].dt.day_of_week,
            "month": sent["ordered"].dt.month,
        }
    )
    since = sent["ordered"].sort_values().iloc[7500]
    known, later = sent["ordered"] < since, sent["ordered"] >= since
    assert found["held_out"] == later.sum()
    plain = GradientBoostingClassifier(random_state=0, n_estimators=50)
    plain.fit(features[known], sent.loc[known, "late"])
    area = roc_auc_score(sent.loc[later, "late"], plain.predict_proba(features[later])[:, 1])
    assert found["auc"] == pytest.approx(area, abs=0.02)
    assert found["auc_lower"] < found["auc"] < found["auc_upper"]
    majority = sent.loc[later, "late"].mean()
    assert majority > 0.5
    assert found["majority_accuracy"] == pytest.approx(majority)
    assert found["accuracy"] > majority
    assert (found["beats_guess"], found["beats_majority"]) == (True, True)
    drivers = points(real("supply"), "late_risk_drivers")
    assert list(drivers["feature"]) == [PROMISED, "order date (DateOrders): hour"]
    assert drivers["loss"].is_monotonic_decreasing
    # The values of the first driver, as they were observed.
    values = points(real("supply"), "late_risk_values")
    ours = values[values["feature"] == PROMISED].set_index("value")
    expected = sent.groupby(PROMISED)["late"].agg(["mean", "size"])
    assert ours["share"].to_dict() == pytest.approx(expected["mean"].to_dict())
    assert ours["rows"].to_dict() == expected["size"].to_dict()


def test_sees_nothing_that_is_known_only_later(real: Real) -> None:
    columns = points(real("supply"), "late_risk_columns").set_index("column")
    unseen = columns[~columns["used"].astype(bool)]
    assert set(unseen.index) == {
        "Order Status",
        "shipping date (DateOrders)",
        "Order Profit Per Order",
    }
    assert unseen["why"].str.contains("known only afterwards").all()


def test_calibration_adds_up(real: Real, sent: pd.DataFrame) -> None:
    found = numbers(real("supply"), "late_risk")
    tenths = points(real("supply"), "late_risk_calibration")
    assert list(tenths["tenth"]) == list(range(1, 11))
    assert tenths["rows"].sum() == found["held_out"]
    assert tenths["predicted"].is_monotonic_increasing
    later = sent.sort_values("ordered").iloc[7500:]
    assert (tenths["share"] * tenths["rows"]).sum() == pytest.approx(later["late"].sum())
    error = ((tenths["predicted"] - tenths["share"]).abs() * tenths["rows"]).sum()
    assert found["calibration_error"] == pytest.approx(error / tenths["rows"].sum())


def orders(rows: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    ordered = pd.date_range("2024-01-01", periods=rows, freq="h")
    promised = random.integers(2, 6, rows)
    return pd.DataFrame(
        {
            "ordered_at": ordered,
            "delivery_date": ordered + pd.to_timedelta(random.integers(1, 8, rows), "D"),
            "promised days": promised,
            "region": np.where(np.arange(rows) % 2 == 0, "North", "South"),
            "carrier code": random.choice(["A", "B", "C"], rows),
            "weight": random.normal(10, 2, rows),
        }
    )


def test_shuffled_outcomes_rank_no_better_than_chance_and_are_called_so(insight: Insight) -> None:
    table = orders(3000).drop(columns=["delivery_date", "promised days"])
    table["late"] = np.random.default_rng(5).permutation(np.arange(3000) % 3 == 0)
    found = insight(table, department="supply")
    risk = numbers(found, "late_risk")
    assert risk["auc"] == pytest.approx(0.5, abs=0.06)
    assert risk["beats_guess"] is False
    assert any("it does not beat a guess at what is late" in each for each in found["summary"])
    assert missing(found)["late_risk_drivers"] == "NOT_BETTER_THAN_GUESS"
    assert missing(found)["delays"] == "NO_COLUMN"


def test_a_planted_cause_is_the_first_driver(insight: Insight) -> None:
    table = orders(2000)
    late = (table["weight"] > 11) ^ (np.random.default_rng(6).random(2000) < 0.1)
    table = table.drop(columns=["delivery_date", "promised days"]).assign(late=late)
    found = insight(table, department="supply")
    assert points(found, "late_risk_drivers")["feature"][0] == "weight"
    assert numbers(found, "late_risk")["auc"] > 0.85


def test_a_copy_of_the_outcome_is_not_seen(insight: Insight) -> None:
    table = orders(1000).drop(columns=["delivery_date", "promised days"])
    table["late"] = np.random.default_rng(7).random(1000) < 0.4
    table["penalty"] = table["late"] * 12.5
    columns = points(insight(table, department="supply"), "late_risk_columns").set_index("column")
    assert not columns.loc["penalty", "used"]
    assert "tells the outcome alone" in columns.loc["penalty", "why"]


def test_too_few_rows_are_no_model(insight: Insight) -> None:
    found = insight(orders(150), department="supply")
    names = {each for each in missing(found) if each.startswith("late_risk")}
    assert len(names) == 5
    assert missing(found)["late_risk"] == "TOO_FEW_ROWS"
    assert any(
        each.startswith("No model of what is late: Of 150 rows") for each in found["summary"]
    )


def test_what_ended_before_it_began_does_not_count(insight: Insight) -> None:
    table = orders(20)
    table.loc[:4, "delivery_date"] = pd.Timestamp("2023-01-01")
    found = insight(table, department="supply")
    assert numbers(found, "promised_and_actual")["rows"] == 15
    notes = found["figures"]["promised_and_actual"]["notes"]
    assert "5 rows that ended before they began do not count." in notes


def test_a_promised_date_and_a_flag_tell_lateness_too(insight: Insight) -> None:
    days = pd.to_datetime(
        ["2024-01-05 23:00", "2024-01-06 01:00", "2024-01-07 00:00", "2024-01-03 09:00"]
    )
    table = pd.DataFrame({"due date": pd.Timestamp("2024-01-05 08:00"), "delivered_at": days})
    found = insight(table, department="supply")
    assert numbers(found, "promised_and_actual")["late"] == 2
    assert column_of(found, "promised_at") == "due date"
    table = pd.DataFrame({"ref": list("abcd"), "delayed": ["yes", "no", "no", "yes"]})
    found = insight(table, department="supply")
    assert numbers(found, "promised_and_actual")["late"] == 2
