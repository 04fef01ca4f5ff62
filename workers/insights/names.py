"""Words of a column's name, whichever way it is written."""

from __future__ import annotations

import re
import unicodedata

# Where a new word begins inside a run of letters and digits: orderDate, SKUCode, AMT1.
BOUNDARY = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)
PLURALS_ONLY = frozenset({"sales", "days", "pieces", "pcs", "units", "status", "class", "address"})
LEAST_PLURAL = 4


def words_of(name: str) -> str:
    """Gives a name's words in lower case with single spaces: ``order date date orders``.

    Accents are dropped and plurals made singular (``amounts`` is ``amount``), except of words that
    names hold as plurals.
    """
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    parts = re.split(r"[\W_]+", BOUNDARY.sub(" ", plain))
    return " ".join(_singular(part.lower()) for part in parts if part)


def _singular(word: str) -> str:
    ends = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    if not ends or len(word) < LEAST_PLURAL or word in PLURALS_ONLY:
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]
