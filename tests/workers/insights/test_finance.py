"""The figures of finance against pandas and scikit-learn, on the real file and on made ones."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from tests.workers.insights.conftest import column_of, lines, missing, numbers, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.workers.insights.conftest import Insight

    Real = Callable[[str], dict[str, Any]]

OUTCOME = "default.payment.next.month"
AMOUNTS = [
    "LIMIT_BAL",
    *(f"{kind}_AMT{month}" for kind in ("BILL", "PAY") for month in range(1, 7)),
]


@pytest.fixture(scope="module")
def owed() -> pd.DataFrame:
    found = lines("finance")
    numeric = [*AMOUNTS, "AGE", OUTCOME]
    found[numeric] = found[numeric].astype(float)
    return found


def test_measures_every_column_of_amounts(real: Real, owed: pd.DataFrame) -> None:
    found = points(real("finance"), "amounts").set_index("column")
    assert list(found.index) == AMOUNTS
    expected = owed[AMOUNTS]
    for name, values in {
        "total": expected.sum(),
        "mean": expected.mean(),
        "lowest": expected.min(),
        "highest": expected.max(),
        "p05": expected.quantile(0.05),
        "p25": expected.quantile(0.25),
        "median": expected.median(),
        "p75": expected.quantile(0.75),
        "p95": expected.quantile(0.95),
        "zero_share": (expected == 0).mean(),
        "negative_share": (expected < 0).mean(),
    }.items():
        assert list(found[name]) == pytest.approx(list(values)), name
    assert (found["rows"] == 30_000).all()


def test_counts_the_distribution(real: Real, owed: pd.DataFrame) -> None:
    found = points(real("finance"), "amount_distribution")
    low, high = owed["LIMIT_BAL"].quantile([0.01, 0.99])
    counts, edges = np.histogram(owed["LIMIT_BAL"].clip(low, high), 20, (low, high))
    assert list(found["from"]) == pytest.approx(list(edges[:-1]))
    assert list(found["to"]) == pytest.approx(list(edges[1:]))
    # A value on an edge may fall to either side of it; here none does.
    assert not np.isin(edges[1:-1], owed["LIMIT_BAL"]).any()
    assert list(found["rows"]) == list(counts)


def gini(values: np.ndarray) -> float:
    """By the area under the Lorenz curve."""
    shares = np.insert(np.sort(values).cumsum() / values.sum(), 0, 0)
    return float(1 - 2 * np.trapezoid(shares, dx=1 / len(values)))


def test_measures_concentration(real: Real, owed: pd.DataFrame) -> None:
    found = points(real("finance"), "concentration").set_index("column")
    for column in AMOUNTS:
        held = np.sort(owed.loc[owed[column] > 0, column].to_numpy())
        row = found.loc[column]
        assert (row["holders"], row["left_out"]) == (len(held), 30_000 - len(held))
        assert row["gini"] == pytest.approx(gini(held))
        for part in (1, 10, 20):
            top = held[-ceil(len(held) * part / 100) :].sum() / held.sum()
            assert row[f"top_{part}"] == pytest.approx(top)
    curve = points(real("finance"), "lorenz_curve")
    held = np.sort(owed["LIMIT_BAL"].to_numpy())
    below = [held[: 1500 * step].sum() / held.sum() for step in range(21)]
    assert list(curve["amount"]) == pytest.approx(below)
    assert list(curve["holders"]) == pytest.approx(list(np.linspace(0, 1, 21)))


def test_adds_up_amounts_by_whom_they_are_of(insight: Insight) -> None:
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {"vendor": random.integers(1, 31, 600).astype(str), "amount": random.lognormal(4, 1, 600)}
    )
    sums = table.groupby("vendor")["amount"].sum().sort_values(ascending=False)
    found = insight(table, department="finance")
    assert points(found, "concentration")["gini"][0] == pytest.approx(gini(sums.to_numpy()))
    largest = points(found, "largest")
    assert list(largest["name"]) == list(sums.index[:10])
    assert list(largest["total"]) == pytest.approx(list(sums[:10]))
    assert list(largest["share"]) == pytest.approx(list(sums[:10] / sums.sum()))


def test_the_largest_rows_of_the_real_file(real: Real, owed: pd.DataFrame) -> None:
    found = points(real("finance"), "largest")
    ordered = owed.sort_values(["LIMIT_BAL", "ID"], ascending=[False, True]).head(10)
    assert list(found["total"]) == list(ordered["LIMIT_BAL"])
    assert found["name"][0] == ordered["ID"].iloc[0]


def test_anomalies_are_as_far_off_as_they_say(real: Real, owed: pd.DataFrame) -> None:
    counts = points(real("finance"), "anomaly_counts").set_index("column")
    listed = points(real("finance"), "anomalies")
    for column in AMOUNTS:
        values = owed[column]
        place = np.arcsinh(values / values[values != 0].abs().median())
        spread = 1.4826 * (place - place.median()).abs().median()
        far = (place - place.median()).abs() / spread
        bound = max(6, far.quantile(0.99, interpolation="higher"))
        assert counts.loc[column, "found"] == pytest.approx((far > bound).sum(), abs=1)
        for _, row in listed[listed["column"] == column].iterrows():
            assert row["amount"] == values[row["row"] - 1]
            assert row["name"] == owed["ID"][row["row"] - 1]
            assert row["deviation"] == pytest.approx(far[row["row"] - 1])
            assert not row["usual_from"] <= row["amount"] <= row["usual_to"]
            assert f"“{column}” is {row['amount']:,.0f}" in row["why"]
    assert listed["deviation"].is_monotonic_decreasing


@pytest.mark.parametrize("planted", [90_000.0, -90_000.0])
def test_a_planted_anomaly_is_found_and_nothing_else(insight: Insight, planted: float) -> None:
    amounts = np.random.default_rng(2).lognormal(4, 0.5, 3000)
    amounts[1234] = planted
    table = pd.DataFrame({"booking id": [f"b{at}" for at in range(3000)], "amount": amounts})
    found = insight(table, department="finance")
    (anomaly,) = found["figures"]["anomalies"]["points"]
    assert (anomaly["row"], anomaly["name"], anomaly["amount"]) == (1235, "b1234", planted)
    assert numbers(found, "anomaly_counts")["found"] == 1
    assert f"1 amounts are unlike the others; furthest: {anomaly['why']}" in found["summary"]


def test_equal_amounts_have_no_anomaly_to_tell(insight: Insight) -> None:
    table = pd.DataFrame({"amount": [5.0] * 80 + [float(at) for at in range(40)]})
    assert missing(insight(table, department="finance"))["anomalies"] == "TOO_FEW_ROWS"


def bookings(months: int, slope: float) -> pd.DataFrame:
    """Ten bookings a month, each by `slope` larger than the month before's."""
    starts = pd.date_range("2021-01-01", periods=months, freq="MS").repeat(10)
    noise = np.random.default_rng(4).normal(0, 3, months * 10)
    amounts = 100 + slope * (np.arange(months * 10) // 10) + noise
    ends = pd.Series([pd.Timestamp("2021-01-01") + pd.offsets.MonthEnd(months)])
    times = pd.concat([pd.Series(starts), ends], ignore_index=True)
    return pd.DataFrame({"posting date": times, "amount": [*amounts, 0.0]})


@pytest.mark.parametrize(
    ("slope", "direction"), [(5.0, "rises"), (-2.0, "falls"), (0.0, "unclear")]
)
def test_tells_a_trend_from_none(insight: Insight, slope: float, direction: str) -> None:
    table = bookings(24, slope)
    found = insight(table, department="finance")
    expected = table.groupby(table["posting date"].dt.to_period("M"))["amount"].agg(["sum", "size"])
    over = points(found, "amounts_over_time")
    assert list(over["date"]) == [f"{month}-01" for month in expected.index]
    assert list(over["total"]) == pytest.approx(list(expected["sum"]))
    assert list(over["mean"]) == pytest.approx(list(expected["sum"] / expected["size"]))
    trend = numbers(found, "trend")
    totals = expected["sum"].to_numpy()
    late, early = np.triu_indices(24, 1)[::-1]
    assert trend["slope"] == pytest.approx(
        np.median((totals[late] - totals[early]) / (late - early))
    )
    assert (trend["direction"], trend["periods"]) == (direction, 24)


def test_without_times_nothing_is_said_of_time(real: Real) -> None:
    assert missing(real("finance")) == {"amounts_over_time": "NO_COLUMN", "trend": "NO_COLUMN"}
    said = "Without dates or times in the data there is no trend and no forecast."
    assert said in real("finance")["summary"]


def test_the_risk_model_ranks_as_well_as_a_plain_one(real: Real, owed: pd.DataFrame) -> None:
    found = numbers(real("finance"), "outcome_risk")
    features = pd.get_dummies(owed.drop(columns=["ID", OUTCOME]), dtype=float)
    known, later, outcome, expected = train_test_split(
        features, owed[OUTCOME], test_size=0.2, random_state=0, stratify=owed[OUTCOME]
    )
    plain = GradientBoostingClassifier(random_state=0, subsample=0.5).fit(known, outcome)
    area = roc_auc_score(expected, plain.predict_proba(later)[:, 1])
    assert found["auc"] == pytest.approx(area, abs=0.02)
    assert found["held_out"] == 30_000
    assert found["event_share"] == pytest.approx(owed[OUTCOME].mean())
    assert found["majority_accuracy"] == pytest.approx(1 - owed[OUTCOME].mean())
    share = np.full(30_000, owed[OUTCOME].mean())
    assert found["guess_log_loss"] == pytest.approx(log_loss(owed[OUTCOME], share))
    assert found["log_loss"] < found["guess_log_loss"]
    assert (found["beats_guess"], found["beats_majority"]) == (True, True)


def test_its_calibration_adds_up(real: Real, owed: pd.DataFrame) -> None:
    tenths = points(real("finance"), "outcome_risk_calibration")
    assert list(tenths["rows"]) == [3000] * 10
    assert (tenths["share"] * 3000).sum() == pytest.approx(owed[OUTCOME].sum())
    assert (tenths["predicted"] * 3000).sum() == pytest.approx(owed[OUTCOME].sum(), rel=0.01)
    assert list(tenths["predicted"]) == pytest.approx(list(tenths["share"]), abs=0.03)
    error = (tenths["predicted"] - tenths["share"]).abs().mean()
    assert numbers(real("finance"), "outcome_risk")["calibration_error"] == pytest.approx(error)


def test_its_drivers_are_what_the_outcome_goes_with(real: Real, owed: pd.DataFrame) -> None:
    drivers = points(real("finance"), "outcome_risk_drivers")
    # What each column alone ranks defaults by: the first drivers are among the best of them.
    alone = {
        column: abs(roc_auc_score(owed[OUTCOME], owed[column]) - 0.5)
        for column in [*AMOUNTS, "AGE"]
    }
    best = sorted(alone, key=lambda column: -alone[column])[:6]
    assert set(drivers["feature"][:2]) <= set(best)
    values = points(real("finance"), "outcome_risk_values")
    first = values[values["feature"] == drivers["feature"][0]]
    edges = owed[drivers["feature"][0]].quantile([0, 0.2, 0.4, 0.6, 0.8, 1], interpolation="lower")
    fifths = pd.cut(owed[drivers["feature"][0]], [*edges[:-1], np.inf], right=False)
    expected = owed.groupby(fifths, observed=True)[OUTCOME].agg(["mean", "size"])
    assert list(first["share"]) == pytest.approx(list(expected["mean"]))
    assert list(first["rows"]) == list(expected["size"])


def test_sees_neither_ids_nor_the_outcome_and_names_what_describes_persons(real: Real) -> None:
    columns = points(real("finance"), "outcome_risk_columns").set_index("column")
    unseen = columns[~columns["used"].astype(bool)]
    assert dict(unseen["why"]) == {"ID": "It names rows.", OUTCOME: "It is the outcome."}
    notes = real("finance")["figures"]["outcome_risk"]["notes"]
    assert "“SEX”, “MARRIAGE”, “AGE” describe persons: law may forbid to decide by them." in notes


def test_shuffled_outcomes_rank_no_better_than_chance(insight: Insight, owed: pd.DataFrame) -> None:
    table = owed.head(3000).copy()
    table[OUTCOME] = np.random.default_rng(9).permutation(table[OUTCOME]).astype(int)
    found = insight(table[["LIMIT_BAL", "AGE", "PAY_AMT1", OUTCOME]], department="finance")
    assert numbers(found, "outcome_risk")["auc"] == pytest.approx(0.5, abs=0.05)
    assert numbers(found, "outcome_risk")["beats_guess"] is False
    assert missing(found)["outcome_risk_values"] == "NOT_BETTER_THAN_GUESS"


def test_rows_of_one_customer_are_held_out_together(insight: Insight) -> None:
    # Each customer's rows share an outcome and a number that says nothing of other customers.
    random = np.random.default_rng(10)
    number = np.repeat(random.normal(1000, 300, 150), 10)
    table = pd.DataFrame(
        {
            "customer": np.repeat([f"c{at}" for at in range(150)], 10),
            "amount": number + random.normal(0, 0.1, 1500),
            "fraud": np.repeat(random.random(150) < 0.4, 10),
        }
    )
    found = insight(table, department="finance")
    assert numbers(found, "outcome_risk")["auc"] < 0.62
    how = found["figures"]["outcome_risk"]["notes"][1]
    assert "rows of one name are in the same fifth" in how


def test_the_event_is_what_a_word_or_the_rarer_value_says(insight: Insight) -> None:
    random = np.random.default_rng(11)
    amounts = random.lognormal(3, 1, 400)
    words = np.where(random.random(400) < 0.7, "defaulted", "fine")
    table = pd.DataFrame({"amount": amounts, "loan status default": words})
    found = insight(table, department="finance")
    assert column_of(found, "outcome") == "loan status default"
    share = numbers(found, "outcome_risk")["event_share"]
    assert share == pytest.approx((words == "defaulted").mean())


def test_without_an_outcome_there_is_no_model(insight: Insight) -> None:
    table = pd.DataFrame({"amount": np.arange(300) ** 1.5})
    assert missing(insight(table, department="finance"))["outcome_risk"] == "NO_COLUMN"
