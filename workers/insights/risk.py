"""A model of a binary outcome, told as figures: how good it is beside a guess, what drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.insights.features import features_of
from workers.insights.intervals import SHARE_FIELDS, share
from workers.insights.report import NotAvailable, Reason, Unit, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engines.progress import Progress
    from workers.insights.features import Feature
    from workers.insights.learning import Risk
    from workers.insights.profiles import Profile
    from workers.insights.report import Report
    from workers.insights.table import Column, Table

MOST_SHOWN = 5
"""Drivers whose values are shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is to predict, for which rows, and from what.

    `outcome` is SQL of 0, 1 or NULL over `relation`, which has the columns of ``data``. `event`
    says in words what 1 means. `omitted` are places of columns that must not be features, and why.
    With `time` the latest rows are held out; rows of the same `group` (SQL) are held out together.
    """

    name: str
    title: str
    event: str
    outcome: str
    relation: str
    omitted: Mapping[int, str]
    time: Column | None = None
    group: str | None = None


def figures_of(name: str) -> tuple[str, ...]:
    """Gives the names of the figures of a model."""
    return (name, *(f"{name}_{part}" for part in ("calibration", "drivers", "values", "columns")))


def add_risk(
    report: Report,
    table: Table,
    found: Sequence[Profile],
    question: Question,
    progress: Progress,
) -> None:
    """Adds a model's figures. Raises `NotAvailable` where the data allows no model.

    Where the model is no better than a guess the report says so, and shows no drivers.
    """
    # What has no outcome does not pay the second that these libraries load for.
    from workers.insights import learning  # noqa: PLC0415 - as said above

    name, features, left_out = (
        question.name,
        *features_of(table, found, question.omitted, question.time),
    )
    try:
        sample = learning.read_sample(table, question, features)
        risk = learning.learn(sample, lambda done: progress.reach(0.7 * done))
    except NotAvailable as error:
        report.say(f"No model of what is {question.event}: {error.reason}")
        raise
    sample, held_out = risk.sample, len(risk.outcome)
    rows = len(sample.outcome)
    measures = learning.judged(risk)
    statement = _statement(question, measures, held_out)
    fields = {
        "auc": (Unit.NUMBER, "Area under the ROC curve over held-out rows; a guess has 0.5"),
        "auc_lower": (Unit.NUMBER, "95 % interval, from"),
        "auc_upper": (Unit.NUMBER, "95 % interval, to"),
        "accuracy": (Unit.SHARE, "Share of held-out rows for which its yes or no is right"),
        "majority_accuracy": (Unit.SHARE, "The same of always the more frequent answer"),
        "log_loss": (Unit.NUMBER, "Logarithmic loss, lower is better"),
        "guess_log_loss": (Unit.NUMBER, "The same of always the known share"),
        "calibration_error": (Unit.SHARE, "Mean difference of predicted and observed shares"),
        "event_share": (Unit.SHARE, f"Share {question.event}"),
        "held_out": (Unit.ROWS, "Held-out rows"),
        "beats_guess": (Unit.YES_NO, "Whether it ranks better than a guess beyond doubt"),
        "beats_majority": (Unit.YES_NO, "Whether its yes or no is right more often"),
    }
    used = f"{rows:,} of {sample.available:,} rows, spread evenly over the file, are used."
    notes = [
        statement,
        f"Gradient boosted trees, seed {learning.SEED}. {risk.how}",
        used if rows < sample.available else "",
        _personal(sample.features),
    ]
    report.figure(name, question.title, "numbers", fields, [measures], rows=rows, notes=notes)
    report.say(statement)
    fields = {
        "tenth": (Unit.NUMBER, "Tenth of the held-out rows, by rising prediction"),
        "predicted": (Unit.SHARE, "Predicted, mean"),
        **SHARE_FIELDS,
        "share": (Unit.SHARE, f"Observed share {question.event}"),
    }
    points = [
        {"tenth": at, "predicted": float(risk.predicted[part].mean())}
        | share(int(risk.outcome[part].sum()), len(part))
        for at, part in enumerate(learning.tenths(risk.predicted), 1)
    ]
    title = "Do predictions come true?"
    report.figure(f"{name}_calibration", title, "line", fields, points, rows=held_out)
    _add_columns(report, name, sample.features, {**left_out, **risk.left_out}, rows)
    with report.attempt(f"{name}_drivers", f"{name}_values"):
        if not measures["beats_guess"]:
            reason = "The model does not beat a guess: what drives it says nothing."
            raise NotAvailable(Reason.NOT_BETTER_THAN_GUESS, reason)
        _add_drivers(report, question, risk, learning.drivers(risk))


def _statement(question: Question, measures: Mapping[str, Any], held_out: int) -> str:
    area = (
        f"Over {held_out:,} held-out rows the model's AUC is {measures['auc']:.3f}"
        f" ({measures['auc_lower']:.3f} to {measures['auc_upper']:.3f}; a guess has 0.5)"
    )
    if not measures["beats_guess"]:
        return f"{area}: it does not beat a guess at what is {question.event}."
    answers = (
        f"its yes or no is right for {percent(measures['accuracy'])}, always the more frequent"
        f" answer for {percent(measures['majority_accuracy'])}"
    )
    if measures["beats_majority"]:
        return f"{area}; {answers}."
    return f"{area}; but {answers}: it ranks what is {question.event}, and decides no better."


def _personal(features: Sequence[Feature]) -> str:
    personal = [f"“{each.name}”" for each in features if each.personal]
    listed = ", ".join(personal)
    return f"{listed} describe persons: law may forbid to decide by them." if personal else ""


def _add_columns(
    report: Report, name: str, features: Sequence[Feature], left_out: Mapping[str, str], rows: int
) -> None:
    fields = {
        "column": (Unit.TEXT, "Column, or what is made from it"),
        "used": (Unit.YES_NO, "Whether the model sees it"),
        "why": (Unit.TEXT, "Why not"),
    }
    points = [{"column": each.name, "used": True} for each in features]
    points += [{"column": each, "used": False, "why": why} for each, why in left_out.items()]
    title = "What the model sees"
    report.figure(f"{name}_columns", title, "table", fields, points, rows=rows)


def _add_drivers(
    report: Report, question: Question, risk: Risk, drivers: Sequence[tuple[int, float]]
) -> None:
    from workers.insights import learning  # noqa: PLC0415 - loaded by the caller

    features = risk.sample.features
    fields = {
        "feature": (Unit.TEXT, "Feature"),
        "loss": (Unit.NUMBER, "Area under the ROC curve lost when its values are shuffled"),
    }
    points: list[dict[str, Any]] = [
        {"feature": features[at].name, "loss": loss} for at, loss in drivers
    ]
    rows, notes = len(risk.outcome), ["Features that say the same share their importance."]
    name, title = f"{question.name}_drivers", "What drives the model"
    report.figure(name, title, "bar", fields, points, rows=rows, notes=notes)
    fields = {
        "value": (Unit.TEXT, "Value of the feature"),
        "feature": (Unit.TEXT, "Feature"),
        **SHARE_FIELDS,
        "share": (Unit.SHARE, f"Observed share {question.event}"),
    }
    points = [
        {"feature": features[at].name, "value": value}
        | share(int(risk.sample.outcome[mask].sum()), int(mask.sum()))
        for at, _ in drivers[:MOST_SHOWN]
        for value, mask in learning.classes(features[at], risk.sample.values[:, at])
        if mask.any()
    ]
    title, rows = f"Share {question.event} by the main drivers", len(risk.sample.outcome)
    report.figure(f"{question.name}_values", title, "bar", fields, points, rows=rows)
    if drivers:
        first = " and ".join(f"“{features[at].name}”" for at, _ in drivers[:2])
        report.say(f"It rests most on {first}.")
