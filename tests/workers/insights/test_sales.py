"""The figures of sales against pandas, on the real file and on made ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tests.workers.insights.conftest import column_of, lines, missing, numbers, points

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.workers.insights.conftest import Insight

    Real = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    found = lines("sales")
    found["quantity"] = found["Quantity"].astype(float)
    found["revenue"] = found["quantity"] * found["UnitPrice"].astype(float)
    found["time"] = pd.to_datetime(found["InvoiceDate"])
    found["cancelled"] = found["InvoiceNo"].str.startswith("C")
    found["gross"] = found["revenue"].where((found["revenue"] > 0) & ~found["cancelled"], 0)
    found["returned"] = -found["revenue"].where(found["revenue"] < 0, 0)
    found["customer"] = found["CustomerID"].str.removesuffix(".0").replace("", None)
    return found


def sums(sold: pd.DataFrame, key: Any) -> pd.DataFrame:
    found = sold.groupby(key)[["gross", "returned", "quantity"]].sum()
    found["revenue"] = found["gross"] - found["returned"]
    found["orders"] = sold[sold["gross"] > 0].groupby(key)["InvoiceNo"].nunique()
    found["rows"] = sold.groupby(key).size()
    return found.fillna({"orders": 0})


def test_adds_up_revenue(real: Real, sold: pd.DataFrame) -> None:
    found = numbers(real("sales"), "revenue")
    assert found["gross"] == pytest.approx(sold["gross"].sum())
    assert found["returned"] == pytest.approx(sold["returned"].sum())
    assert found["revenue"] == pytest.approx(sold["gross"].sum() - sold["returned"].sum())
    assert found["orders"] == sold[sold["gross"] > 0]["InvoiceNo"].nunique()
    assert found["rows"] == real("sales")["rows"] == len(sold) == 8254


@pytest.mark.parametrize(("figure", "period"), [("day", "D"), ("week", "W")])
def test_adds_up_revenue_over_time(
    real: Real, sold: pd.DataFrame, figure: str, period: str
) -> None:
    expected = sums(sold, sold["time"].dt.to_period(period).dt.start_time)
    expected = expected.asfreq("D" if period == "D" else "7D", fill_value=0)
    found = points(real("sales"), f"revenue_by_{figure}")
    assert list(pd.to_datetime(found["date"])) == list(expected.index)
    for name in ("revenue", "gross", "returned", "orders", "rows"):
        assert list(found[name]) == pytest.approx(list(expected[name])), name


@pytest.mark.parametrize(
    ("thing", "column", "many"),
    [("product", "StockCode", 1855), ("customer", "customer", 287)],
)
def test_finds_the_best(real: Real, sold: pd.DataFrame, thing: str, column: str, many: int) -> None:
    known = sold[sold[column].notna()]
    expected = sums(known, column)
    assert len(expected) == many
    best = expected.sort_values("revenue", ascending=False).head(10)
    figure = real("sales")["figures"][f"best_{thing}s"]
    found = points(real("sales"), f"best_{thing}s")
    assert list(found[thing]) == list(best.index)
    for name in ("revenue", "quantity", "orders", "rows"):
        assert list(found[name]) == pytest.approx(list(best[name])), name
    assert list(found["share"]) == pytest.approx(list(best["revenue"] / expected["revenue"].sum()))
    assert figure["rows"] == len(known)
    assert figure["notes"][0] == f"{many} {thing}s in all."


def test_names_products_as_most_lines_do(real: Real, sold: pd.DataFrame) -> None:
    names = (
        sold["Description"].str.strip().groupby(sold["StockCode"]).agg(lambda each: each.mode()[0])
    )
    found = points(real("sales"), "best_products")
    assert list(found["name"]) == [names[product] for product in found["product"]]


def test_counts_cancellations_and_returns(real: Real, sold: pd.DataFrame) -> None:
    found = numbers(real("sales"), "returns")
    cancelled = sold[sold["cancelled"]]
    back = ~sold["cancelled"] & ((sold["quantity"] < 0) | (sold["revenue"] < 0))
    assert found["cancelled_lines"] == len(cancelled) == 94
    assert found["returned_lines"] == back.sum()
    assert found["cancelled_orders"] == cancelled["InvoiceNo"].nunique()
    assert found["all_orders"] == sold["InvoiceNo"].nunique()
    assert found["cancelled_share"] == pytest.approx(
        cancelled["InvoiceNo"].nunique() / sold["InvoiceNo"].nunique()
    )
    assert found["returned_pieces"] == -sold.loc[sold["quantity"] < 0, "quantity"].sum()
    assert found["returned_share"] == pytest.approx(sold["returned"].sum() / sold["gross"].sum())


def test_weighs_baskets(real: Real, sold: pd.DataFrame) -> None:
    orders = sold[sold["gross"] > 0].groupby("InvoiceNo")
    expected = pd.DataFrame(
        {"lines": orders.size(), "pieces": orders["quantity"].sum(), "value": orders["gross"].sum()}
    )
    found = numbers(real("sales"), "basket")
    assert found["orders"] == len(expected)
    for name in ("lines", "pieces", "value"):
        assert found[f"{name}_mean"] == pytest.approx(expected[name].mean())
        assert found[f"{name}_median"] == pytest.approx(expected[name].median())
    assert found["value_p10"] == pytest.approx(expected["value"].quantile(0.1))
    assert found["value_p90"] == pytest.approx(expected["value"].quantile(0.9))
    sizes = points(real("sales"), "basket_sizes")
    edges = [0, 1, 2, 5, 10, 20, 50, 100, np.inf]
    counted = pd.cut(expected["lines"], edges).value_counts(sort=False)
    assert list(sizes["orders"]) == list(counted)
    assert list(sizes["share"]) == pytest.approx(list(counted / len(expected)))
    assert real("sales")["figures"]["basket"]["rows"] == expected["lines"].sum()


def test_five_days_are_no_forecast(real: Real) -> None:
    found = real("sales")
    assert missing(found) == {"forecast": "TOO_FEW_ROWS", "forecast_errors": "TOO_FEW_ROWS"}
    said = [each for each in found["summary"] if "forecast" in each]
    assert said == ["No forecast: The data covers 5 days; a forecast that can be judged needs 56."]


def shop(days: int, seed: int = 1) -> pd.DataFrame:
    """A shop that sells more at weekends: one line a day."""
    random = np.random.default_rng(seed)
    week = np.array([100, 90, 95, 110, 150, 260, 40])
    value = week[np.arange(days) % 7] * random.normal(1, 0.05, days)
    return pd.DataFrame({"sold_on": pd.date_range("2024-01-01", periods=days), "total": value})


def test_forecasts_what_comes_again_every_week(insight: Insight) -> None:
    table = shop(147)
    found = insight(table[:140], department="sales")
    forecast = points(found, "forecast")
    assert list(pd.to_datetime(forecast["date"])) == list(table["sold_on"][140:])
    actual = table["total"][140:].to_numpy()
    assert list(forecast["revenue"]) == pytest.approx(actual, rel=0.25)
    inside = (forecast["lower_95"] <= actual) & (actual <= forecast["upper_95"])
    assert inside.sum() >= 6
    assert (forecast["lower_95"] <= forecast["lower_80"]).all()
    assert (forecast["upper_80"] <= forecast["upper_95"]).all()
    errors = points(found, "forecast_errors").set_index("method")
    assert errors["shown"].to_dict() == {
        "the model": True,
        "the last value": False,
        "the last week": False,
    }
    # What the naive guesses were off by, counted again: from day 70 on, seven days ahead.
    value = table["total"][:140].to_numpy()
    ahead = [value[at : at + 7] for at in range(70, 134)]
    last = [np.full(7, value[at - 1]) for at in range(70, 134)]
    week = [value[at - 7 : at] for at in range(70, 134)]
    off = np.mean(np.abs(np.array(ahead) - last)), np.mean(np.abs(np.array(ahead) - week))
    assert errors.loc["the last value", "mean_error"] == pytest.approx(off[0])
    assert errors.loc["the last week", "mean_error"] == pytest.approx(off[1])
    relative = errors["mean_error"] / np.mean(ahead)
    assert list(errors["relative_error"]) == pytest.approx(list(relative))
    assert (errors["forecasts"] == 64).all()
    saved = 1 - errors.loc["the model", "mean_error"] / off[1]
    assert saved > 0.1
    assert f"the model saves {100 * saved:.1f} % of its error." in found["summary"][-1]


def test_a_walk_that_nothing_beats_is_forecast_by_its_last_value(insight: Insight) -> None:
    walk = 1000 + np.random.default_rng(3).normal(0, 10, 200).cumsum()
    times = pd.date_range("2024-01-01", periods=200)
    found = insight(pd.DataFrame({"date": times, "amount": walk}), department="sales")
    assert list(points(found, "forecast")["revenue"]) == pytest.approx([walk[-1]] * 7)
    assert "the model does not beat it" in found["summary"][-1]


def test_without_times_there_is_no_forecast(insight: Insight) -> None:
    found = insight(shop(140).drop(columns="sold_on").assign(order_no=range(140)))
    figures = ("revenue_by_day", "revenue_by_week", "forecast", "forecast_errors")
    assert {each: missing(found)[each] for each in figures} == dict.fromkeys(figures, "NO_COLUMN")
    assert not any("expect" in each for each in found["summary"])


def test_columns_are_known_by_what_they_are(insight: Insight) -> None:
    table = pd.DataFrame(
        {
            "Kundenwert": ["a", "b", "c", "a"],
            "OrderNumber": ["1", "1", "2", "C3"],
            "SKU": ["x", "y", "x", "x"],
            "Qty Ordered": [1, 2, 3, -1],
            "Price each": [1.5, 2.0, 1.5, 1.5],
            "when": pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-08", "2024-01-09"]),
        }
    )
    found = insight(table, department="sales")
    roles = {each["role"]: each["column"] for each in found["mapping"]}
    assert roles == {
        "time": "when",
        "order": "OrderNumber",
        "product": "SKU",
        "product_name": None,
        "quantity": "Qty Ordered",
        "unit_price": "Price each",
        "amount": None,
        "customer": None,
        "status": None,
        "cancelled": None,
    }
    assert numbers(found, "revenue")["revenue"] == 1.5 + 4 + 4.5 - 1.5
    assert numbers(found, "returns")["cancelled_orders"] == 1
    assert missing(found)["best_customers"] == "NO_COLUMN"


def test_a_mapping_wins_over_what_would_be_recognised(insight: Insight) -> None:
    table = pd.DataFrame(
        {
            "order": ["a", "a", "b"],
            "customer": ["p", "q", "q"],
            "buyer code": ["k", "k", "l"],
            "amount": [1.0, 2.0, 4.0],
            "net": [10.0, 20.0, 40.0],
        }
    )
    before = insight(table, department="sales")
    assert (column_of(before, "customer"), column_of(before, "amount")) == ("customer", "amount")
    mapping = {"customer": "buyer code", "amount": "net", "order": None}
    found = insight(table, department="sales", mapping=mapping)
    given = {each["role"]: each["column"] for each in found["mapping"] if each["given"]}
    assert given == mapping
    assert list(points(found, "best_customers")["customer"]) == ["l", "k"]
    assert numbers(found, "revenue")["revenue"] == 70
    assert missing(found)["basket"] == "NO_COLUMN"


@pytest.mark.parametrize(
    "told", [{"status": ["Shipped", "Cancelled"]}, {"cancelled": [False, True]}]
)
def test_cancelled_is_what_a_column_says(insight: Insight, told: dict[str, list[Any]]) -> None:
    table = pd.DataFrame({"order": [1, 2], "amount": [5.0, 7.0], **told})
    found = insight(table, department="sales", mapping={each: each for each in told})
    assert numbers(found, "revenue")["revenue"] == 5
    assert numbers(found, "returns")["cancelled_lines"] == 1
