"""The roles of each insight, and the words and values by which columns are recognised.

Names are matched as `names.words_of` gives them: lower case, singular, single spaces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workers.insights.roles import Role
from workers.insights.table import Family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.insights.profiles import Profile

NUMBER = frozenset({Family.NUMBER})
TEXT = frozenset({Family.TEXT})
MOMENT = frozenset({Family.MOMENT})
KEY = frozenset({Family.NUMBER, Family.TEXT})
FLAG = frozenset({Family.NUMBER, Family.TEXT, Family.BOOLEAN})

MOSTLY, HARDLY_ANY = 0.9, 0.01
"""Shares: weighed goods are not whole numbers, and a correction or two is below zero."""

MOST_CATEGORIES = 500
MOST_DAYS = 1000
LEAST_AMOUNTS = 8
"""Distinct values that a column of amounts has at least; fewer are codes or grades."""

NUMBERING = r"(?: (?:no|nr|num|number|id|code|key|ref|reference|uuid))"
PROMISE = r"promise|promised|expected|estimated|scheduled|planned|due|target|committed|sla|eta"
END = (
    r"ship|shipped|shipping|dispatch|dispatched|deliver|delivered|delivery|arrival|arrived|received|"
    r"receipt|fulfilled"
)
OUTCOME = (
    r"default|defaulted|fraud|fraudulent|churn|churned|delinquent|delinquency|bankrupt|bankruptcy|"
    r"bad|target|outcome|label|overdue|late|chargeback|charged off|dispute|disputed|unpaid|repaid|"
    r"insolvent|risk|exited|attrition"
)
MONEY = (
    r"amount|amt|balance|bal|limit|price|value|revenue|turnover|cost|payment|paid|salary|income|"
    r"wage|total|sum|debit|credit|fee|tax|profit|loan|bill|spend|spending|sales|budget|expense|"
    r"invoice|principal|deposit|withdrawal|funding|assets|debt"
)
WAY = r"shipment|shipping|delivery"
CANCEL = re.compile(r"cancel|void|refund|return|revers", re.IGNORECASE)


def is_key(profile: Profile) -> bool:
    """Whether values can name things: texts, or whole numbers."""
    return profile.family is Family.TEXT or profile.is_whole


def is_category(profile: Profile) -> bool:
    """Whether values come again and again."""
    return profile.distinct <= MOST_CATEGORIES and not profile.is_serial


def is_count(profile: Profile) -> bool:
    """Whether values can be numbers of pieces: mostly whole, and not all negative."""
    return profile.whole > MOSTLY and profile.positive > 0


def is_amount(profile: Profile) -> bool:
    """Whether values can be amounts of money: neither grades nor numbers of rows."""
    various = profile.distinct >= min(LEAST_AMOUNTS, profile.filled)
    return various and not (profile.filled > LEAST_AMOUNTS and profile.numbers_rows)


def is_price(profile: Profile) -> bool:
    """Whether values can be prices: hardly any below zero."""
    return profile.negative < HARDLY_ANY


def is_days(profile: Profile) -> bool:
    """Whether values can be numbers of days."""
    return (profile.lowest or 0) >= 0 and (profile.highest or 0) <= MOST_DAYS


def is_binary(profile: Profile) -> bool:
    """Whether there are two values, or a truth value."""
    return profile.family is Family.BOOLEAN or profile.distinct == 2  # noqa: PLR2004 - binary


def is_cancelling(profile: Profile) -> bool:
    """Whether values are states of an order, cancelled among them."""
    return is_category(profile) and any(CANCEL.search(value) for value in profile.values)


TIME = Role(
    "time",
    MOMENT,
    "dates or times",
    named=r"(?:(?:invoice|order|transaction|sale|sales|purchase|receipt|posting|booking|booked|"
    r"payment|business|value|entry|document) ?)?(?:date|time|datetime|timestamp|day|date time)|"
    r"(?:created|ordered|sold|purchased|placed|booked|posted|paid)(?: (?:at|on|date|time))?|ts|dt",
    alike=r"date|time|datetime|timestamp|day|month|week|period",
    never=rf"{PROMISE}|{END}|birth|dob|update|updated|modified|expiry|expiration|valid",
    speaks=0.25,
    alone=True,
)

SALES = (
    TIME,
    Role(
        "order",
        KEY,
        "values that can name orders",
        named=rf"(?:invoice|transaction|receipt|basket|ticket|bill|order|sale|sales order|po)"
        rf"{NUMBERING}?|(?:purchase|customer|web) order{NUMBERING}?",
        content=is_key,
        speaks=1,
    ),
    Role(
        "product",
        KEY,
        "values that can name products",
        named=rf"(?:stock|product|item|article|material|part|plu|upc|ean|isbn|asin|sku){NUMBERING}?"
        r"|product name",
        content=is_key,
        speaks=1,
    ),
    Role(
        "product_name",
        TEXT,
        "texts",
        named=r"(?:(?:product|item|article|stock|material) )?(?:description|name|title|desc)",
    ),
    Role(
        "quantity",
        NUMBER,
        "mostly whole numbers",
        named=r"(?:(?:order|ordered|sold|sales|item|invoiced) )?(?:quantity|qty|units|pieces|pcs)"
        r"(?: (?:sold|ordered|invoiced))?",
        alike=r"quantity|qty",
        never=r"price|cost|value|stock|available|reserved|on hand",
        content=is_count,
        speaks=1,
    ),
    Role(
        "unit_price",
        NUMBER,
        "numbers that are not negative",
        named=r"(?:(?:unit|item|sale|sales|selling|list|product|net) )?price"
        r"(?: (?:each|per unit|per item))?",
        alike=r"price",
        never=r"total|line|extended|sum|cost",
        content=is_price,
        speaks=1,
    ),
    Role(
        "amount",
        NUMBER,
        "various numbers",
        named=r"(?:(?:line|order|sale|sales|invoice|net|gross|transaction|item|extended|total) )?"
        r"(?:amount|amt|total|revenue|turnover|value|subtotal|sales|total price|price total)",
        alike=r"amount|amt|revenue|turnover|total",
        never=r"tax|vat|discount|shipping|freight|profit|cost|margin|days|quantity|qty|count",
        content=is_amount,
        speaks=0.5,
    ),
    Role(
        "customer",
        KEY,
        "values that can name customers",
        named=rf"(?:customer|client|buyer|shopper|consumer|member|user|account|guest){NUMBERING}?|"
        r"(?:customer|client|buyer|account) (?:name|email)|cust(?: id)?",
        alike=r"customer|client|buyer",
        never=r"segment|city|state|country|zip|street|address|type|class|group|region|age|phone",
        content=is_key,
        speaks=0.5,
    ),
    Role(
        "status",
        TEXT,
        "states, cancelled or returned among them",
        named=r"(?:(?:order|invoice|payment|transaction|delivery|sale) )?(?:status|state)",
        alike=r"status",
        content=is_cancelling,
    ),
    Role(
        "cancelled",
        FLAG,
        "two values",
        named=r"(?:is )?(?:cancelled|canceled|cancel|returned|refunded|voided)(?: flag)?",
        content=is_binary,
    ),
)

SUPPLY = (
    Role(
        "ordered_at",
        MOMENT,
        "dates or times",
        named=r"(?:order|ordered|purchase|po|placed|request|requested|created|booking)"
        r"(?: (?:date|time|datetime|on|at|timestamp|day|order))*",
        alike=r"order|ordered|purchase|placed|created|requested",
        never=rf"{PROMISE}|{END}|approved|cancelled|updated",
        speaks=0.5,
    ),
    Role(
        "finished_at",
        MOMENT,
        "dates or times",
        named=r"(?:actual )?(?:delivered|delivery|arrival|arrived|received|receipt)"
        r"(?: (?:date|time|datetime|on|at|timestamp))*",
        alike=END,
        never=rf"{PROMISE}|limit|carrier",
        speaks=1,
    ),
    Role(
        "promised_at",
        MOMENT,
        "dates or times",
        named=rf"(?:{PROMISE})(?: (?:date|time|at|on|by))*",
        alike=PROMISE,
        speaks=2,
    ),
    Role(
        "promised_days",
        NUMBER,
        "numbers of days, none negative",
        named=rf"days? (?:for |of |to )?(?:{WAY}|ship) (?:{PROMISE})|"
        rf"(?:{PROMISE})(?: (?:{WAY}|lead|transit))?(?: time)?(?: days?)?",
        alike=rf"(?:{PROMISE}) (?:.* )?(?:days?|lead time)|"
        rf"(?:days?|lead time) (?:.* )?(?:{PROMISE})",
        content=is_days,
        speaks=2,
    ),
    Role(
        "actual_days",
        NUMBER,
        "numbers of days, none negative",
        named=rf"days? (?:for|of|to) (?:{WAY}|ship|deliver)(?: (?:real|actual))?|"
        rf"(?:actual|real)(?: (?:{WAY}|lead|transit))?(?: time)?(?: in)?(?: days?)?|"
        rf"(?:{WAY}|transit|lead) (?:time|days)(?: (?:in )?days)?",
        alike=r"(?:real|actual|taken) (?:.* )?days?|days? (?:.* )?(?:real|actual|taken)",
        never=PROMISE,
        content=is_days,
        speaks=2,
    ),
    Role(
        "late",
        FLAG,
        "two values",
        named=r"(?:is |was )?(?:late|delayed|overdue)(?: (?:delivery|shipment|order))?"
        r"(?: (?:risk|flag))?",
        content=is_binary,
        speaks=1,
    ),
    Role(
        "region",
        TEXT,
        "texts that come again and again",
        named=r"(?:(?:order|customer|ship|shipping|sales|delivery|destination) )?"
        r"(?:region|country|market|territory|zone|area|state|province)(?: name)?",
        alike=r"region|country|territory",
        never=r"code|id",
        content=is_category,
        speaks=0.25,
    ),
    Role(
        "category",
        TEXT,
        "texts that come again and again",
        named=r"(?:(?:product|item|goods|material) )?"
        r"(?:category|department|class|family|group|type|segment)(?: name)?|"
        r"(?:ship|shipping|delivery) (?:mode|method|class)|carrier|supplier",
        alike=r"category|shipping mode|ship mode",
        never=r"id|code|status|payment|customer",
        content=is_category,
    ),
)

FINANCE = (
    TIME,
    Role(
        "entity",
        KEY,
        "values that can name someone",
        named=rf"(?:customer|client|account|vendor|supplier|counterparty|payee|payer|merchant|"
        rf"debtor|creditor|borrower|member|company|employee|holder|card|cost center)"
        rf"(?:{NUMBERING}| name)?",
        alike=r"customer|client|account|vendor|supplier|counterparty|merchant|borrower",
        never=rf"{MONEY}|type|age|date|city|country|status|segment",
        content=is_key,
        speaks=0.75,
    ),
    Role(
        "identifier",
        KEY,
        "a value of its own for every row",
        named=r"(?:(?:row|record|entry|transaction|document|invoice|payment|loan|booking) ?)?"
        r"(?:id|no|nr|number|key|uuid|reference|ref)|index",
        content=lambda profile: is_key(profile) and profile.is_serial,
    ),
    Role(
        "outcome",
        FLAG,
        "two values",
        named=rf"(?:is |has |was )?(?:{OUTCOME})"
        r"(?: (?:flag|status|risk|label|outcome|.*month|.*year))?|y|class",
        alike=OUTCOME,
        never=rf"date|amount|balance|limit|{END}",
        content=is_binary,
        speaks=1.5,
    ),
    Role(
        "amount",
        NUMBER,
        "various numbers",
        named=r"(?:(?:transaction|payment|invoice|booking|net|gross|loan|posted|total|line) )?"
        r"(?:amount|amt|value)(?: (?:usd|eur|gbp|local|base))?",
        alike=MONEY,
        never=r"age|year|number|no|count|code|id|rate|ratio|percent|pct|share|score|days|day",
        content=is_amount,
        speaks=1,
        many=True,
    ),
)

INSIGHTS: Mapping[str, Sequence[Role]] = {"sales": SALES, "supply": SUPPLY, "finance": FINANCE}
"""Roles by insight; of two that a column fits equally, it has the first."""

LATE = [("late",), ("promised_at", "finished_at")]
NEEDS: Mapping[str, Mapping[str, Sequence[tuple[str, ...]]]] = {
    "sales": {
        "an amount, or a quantity and a unit price": [("amount",), ("quantity", "unit_price")],
        "a time, an order, a product or a customer": [
            ("time",),
            ("order",),
            ("product",),
            ("customer",),
        ],
    },
    "supply": {
        "promised days or a promised date": [*LATE, ("promised_days",), ("promised_at",)],
        "actual days, or dates of order and delivery": [
            *LATE,
            ("actual_days",),
            ("ordered_at", "finished_at"),
        ],
    },
    "finance": {"an amount": [("amount",)]},
}
"""What each insight can't be made without, and the roles of which one group is enough for it."""
