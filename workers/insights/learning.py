"""Gradient boosted trees of a binary outcome, judged by rows that they did not learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold

from workers.insights.intervals import area_interval
from workers.insights.report import NotAvailable, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from workers.insights.features import Feature
    from workers.insights.risk import Question
    from workers.insights.table import Table

    Numbers = NDArray[np.float64]
    Rows = NDArray[np.intp]
    Parts = list[tuple[Rows, Rows]]

SEED = 20_240_229

MODEL_ROWS, MODEL_CELLS = 60_000, 2_500_000
"""Rows, and values of features, that a model is made from; of larger tables an even sample."""

LEAST_ROWS, LEAST_OF_CLASS, LEAST_IN_PART = 200, 40, 10
FOLDS = 5
HELD_OUT = 0.25
"""The latest part of the rows, where there are times: what is to be predicted comes later."""

TELLING_AREA = 0.99
"""A feature that alone ranks outcomes this well is taken to be made from the outcome."""

TREES = {
    "learning_rate": 0.08,
    "max_iter": 80,
    "max_leaf_nodes": 15,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": SEED,
}
"""Many small steps of small trees: ranks as well as larger ones, and stays calibrated."""

MOST_IN_LEAF, LEAST_IN_LEAF, LEAVES = 50, 10, 40
EVEN = 0.5
"""The area under a ROC curve of any guess, and the probability from which a yes is likelier."""

BINS = 10
SHUFFLES, SHUFFLED_ROWS = 3, 6000
LEAST_LOSS, LEAST_ERRORS = 0.002, 2.0
"""What shuffling a driver costs at least, and how many times its own spread: less may be chance."""

MOST_DRIVERS, MOST_VALUES, CLASSES = 10, 8, 5


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows a model is made from, in the file's order: features by column, outcomes 0 and 1."""

    features: list[Feature]
    values: Numbers
    outcome: Numbers
    times: Numbers | None
    groups: Numbers | None
    available: int
    """Rows of the table that have an outcome."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Models and their predictions of held-out rows, which are places in the sample.

    `guess` is the share of positive outcomes that the rows to learn from had.
    """

    sample: Sample
    how: str
    models: list[tuple[Any, Rows]]
    outcome: Numbers
    predicted: Numbers
    guess: Numbers
    left_out: dict[str, str]


def read_sample(table: Table, question: Question, features: Sequence[Feature]) -> Sample:
    """Reads the rows that have an outcome, a bounded number of them."""
    limit = min(MODEL_ROWS, MODEL_CELLS // max(len(features), 1))
    asked = [f"{question.outcome} as outcome"]
    asked += [f"{each.sql} as f{at}" for at, each in enumerate(features)]
    if question.time:
        asked.append(f"epoch({question.time.value}) as times")
    if question.group:
        asked.append(f"dense_rank() over (order by {question.group}) as groups")
    known = f"{question.outcome} is not null"
    found = table.arrays(
        ", ".join(asked), question.relation, f"where {table.sample(limit)} and {known} order by n"
    )
    counted = table.record(f"count({question.outcome}) as rows", question.relation)
    values = [found[f"f{at}"] for at in range(len(features))]
    return Sample(
        list(features),
        np.column_stack(values) if values else np.empty((len(found["outcome"]), 0)),
        found["outcome"],
        found.get("times"),
        found.get("groups"),
        int(counted["rows"]),
    )


def learn(sample: Sample, on_part: Callable[[float], None]) -> Risk:
    """Fits gradient boosted trees to each part, and predicts the rows that it holds out.

    Features that tell the outcome alone are left out first. Raises `NotAvailable` where rows are
    too few, or no feature is left.
    """
    _require_rows(sample.outcome)
    how, parts = _parts(sample)
    known = parts[0][0]
    telling = [at for at in range(len(sample.features)) if _tells(sample, at, known)]
    left_out = {
        sample.features[at].name: "It tells the outcome alone: it is likely to be made from it."
        for at in telling
    }
    kept = [at for at in range(len(sample.features)) if at not in telling]
    if not kept:
        reason = "No column can be used to predict the outcome."
        raise NotAvailable(Reason.NO_COLUMN, reason)
    features = [sample.features[at] for at in kept]
    sample = replace(sample, features=features, values=sample.values[:, kept])
    models, predicted, guess = [], [], []
    for number, (known, held_out) in enumerate(parts, 1):
        leaf = min(MOST_IN_LEAF, max(LEAST_IN_LEAF, len(known) // LEAVES))
        model = HistGradientBoostingClassifier(
            **TREES,
            min_samples_leaf=leaf,
            categorical_features=[each.categories is not None for each in features],
        ).fit(sample.values[known], sample.outcome[known])
        models.append((model, held_out))
        predicted.append(model.predict_proba(sample.values[held_out])[:, 1])
        guess.append(np.full(len(held_out), sample.outcome[known].mean()))
        on_part(number / len(parts))
    places = np.concatenate([held_out for _, held_out in parts])
    outcome, ours = sample.outcome[places], np.concatenate(predicted)
    return Risk(sample, how, models, outcome, ours, np.concatenate(guess), left_out)


def _require_rows(outcome: Numbers) -> None:
    positives = int(outcome.sum())
    least = min(positives, len(outcome) - positives)
    if least == 0:
        raise NotAvailable(Reason.NO_VARIATION, "All rows have the same outcome.")
    if len(outcome) < LEAST_ROWS or least < LEAST_OF_CLASS:
        reason = (
            f"Of {len(outcome)} rows with an outcome {least} have the rarer one; a model that can"
            f" be judged needs {LEAST_ROWS} and {LEAST_OF_CLASS}."
        )
        raise NotAvailable(Reason.TOO_FEW_ROWS, reason)


def _parts(sample: Sample) -> tuple[str, Parts]:
    """Gives rows to learn from and rows held out, and says how they were told apart."""
    outcome, rows = sample.outcome, np.zeros(len(sample.outcome))
    if sample.times is not None:
        times = np.nan_to_num(sample.times, nan=-np.inf)
        # Rows of one moment stay together: what is known of them is known at once.
        since = np.quantile(times, 1 - HELD_OUT, method="higher")
        parts = [(np.flatnonzero(times < since), np.flatnonzero(times >= since))]
        if _has_both(outcome, parts):
            return "The latest quarter of the rows is held out; it learns from those before.", parts
    if sample.groups is not None and len(np.unique(sample.groups)) >= FOLDS:
        kept = GroupKFold(FOLDS, shuffle=True, random_state=SEED)
        parts = list(kept.split(rows, groups=sample.groups))
        if _has_both(outcome, parts):
            return "Each fifth is held out once; rows of one name are in the same fifth.", parts
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return "Each fifth of the rows is held out once.", list(folds.split(rows, outcome))


def _has_both(outcome: Numbers, parts: Parts) -> bool:
    return all(
        LEAST_IN_PART <= outcome[rows].sum() <= len(rows) - LEAST_IN_PART
        for part in parts
        for rows in part
    )


def _tells(sample: Sample, at: int, known: Rows) -> bool:
    """Whether a feature alone ranks the outcomes, whichever way round."""
    column, outcome = sample.values[known, at], sample.outcome[known]
    if np.isnan(column).all():
        return False
    if sample.features[at].categories is not None:
        _, places = np.unique(column, return_inverse=True)
        column = (np.bincount(places, outcome) / np.bincount(places))[places]
    area = float(roc_auc_score(outcome, np.nan_to_num(column, nan=np.nanmin(column) - 1)))
    return max(area, 1 - area) >= TELLING_AREA


def judged(risk: Risk) -> dict[str, Any]:
    """Measures the predictions of the rows that were held out, and those of a guess."""
    outcome, predicted, guess = risk.outcome, risk.predicted, risk.guess
    positives = int(outcome.sum())
    area = float(roc_auc_score(outcome, predicted))
    lower, upper = area_interval(area, positives, len(outcome) - positives)
    loss, guess_loss = float(log_loss(outcome, predicted)), float(log_loss(outcome, guess))
    accuracy = float(np.mean((predicted >= EVEN) == outcome))
    majority = float(np.mean((guess >= EVEN) == outcome))
    differences = [
        abs(float(predicted[part].sum() - outcome[part].sum())) for part in tenths(predicted)
    ]
    return {
        "auc": area,
        "auc_lower": lower,
        "auc_upper": upper,
        "accuracy": accuracy,
        "majority_accuracy": majority,
        "log_loss": loss,
        "guess_log_loss": guess_loss,
        "calibration_error": sum(differences) / len(outcome),
        "event_share": float(risk.sample.outcome.mean()),
        "held_out": len(outcome),
        "beats_guess": lower > EVEN and loss < guess_loss,
        "beats_majority": accuracy > majority,
    }


def tenths(predicted: Numbers) -> list[Rows]:
    """Gives the places of each tenth of the predictions, by rising prediction."""
    return np.array_split(np.argsort(predicted, kind="stable"), BINS)


def drivers(risk: Risk) -> list[tuple[int, float]]:
    """Gives features without which held-out rows are ranked worse, and by how much.

    Permutation importance (Breiman 2001, Machine Learning 45:5): the area under the ROC curve that
    is lost when a feature's values are shuffled. Features that say the same share their importance.
    """
    random = np.random.default_rng(SEED)
    most = SHUFFLED_ROWS // len(risk.models)
    # Evenly spread rows: those held out are in the file's order.
    chosen = [(model, rows[:: len(rows) // most + 1]) for model, rows in risk.models]
    outcome = np.concatenate([risk.sample.outcome[rows] for _, rows in chosen])

    def area(shuffled: int | None) -> float:
        predicted = []
        for model, rows in chosen:
            values = risk.sample.values[rows]
            if shuffled is not None:
                random.shuffle(values[:, shuffled])
            predicted.append(model.predict_proba(values)[:, 1])
        return float(roc_auc_score(outcome, np.concatenate(predicted)))

    full, found = area(None), []
    for at in range(len(risk.sample.features)):
        losses = [full - area(at) for _ in range(SHUFFLES)]
        loss = float(np.mean(losses))
        if loss > max(LEAST_LOSS, LEAST_ERRORS * float(np.std(losses))):
            found.append((at, loss))
    return sorted(found, key=lambda each: -each[1])[:MOST_DRIVERS]


def classes(feature: Feature, column: Numbers) -> list[tuple[str, NDArray[np.bool_]]]:
    """Gives the values of a feature, or fifths of them where they are many, and whose they are."""
    known = column[~np.isnan(column)]
    distinct, counts = np.unique(known, return_counts=True)
    missing = [("none", np.isnan(column))]
    if feature.categories is not None or len(distinct) <= MOST_VALUES:
        frequent = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
        named = [(feature.label(value), column == value) for value in distinct[frequent]]
        return named + missing
    # Edges are values of the data, so that each class can be named by what it holds.
    edges = np.unique(np.quantile(known, np.linspace(0, 1, CLASSES + 1), method="lower"))
    found = []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        rows = (column >= low) & ((column <= high) if last else (column < high))
        between = "to" if last else "to below"
        found.append((f"{feature.label(low)} {between} {feature.label(high)}", rows))
    return found + missing
