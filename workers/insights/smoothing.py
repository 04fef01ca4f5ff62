"""Forecasts of a series by exponential smoothing and naive guesses, from each point of its past.

A forecaster gives a matrix: row t has what it expects of the values t, t + 1, … from those before
t alone; the last row is the future. So the past judges exactly what the future is forecast with.
"""

from __future__ import annotations

from itertools import product
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
TRENDS = (0.0, 0.02, 0.05, 0.1, 0.2)
SEASONS = (0.0, 0.05, 0.1, 0.2, 0.4)
DAMPING = 0.95
"""Weights that are tried. Trends fade by the damping, which forecasts of sales are better with
(Gardner and McKenzie 1985, Management Science 31:1237)."""

SEASONS_TO_BEGIN = 4


def last_value(values: Values, horizon: int, season: int = 1) -> Values:
    """Expects the values of the last season again; of a season of 1, the last value."""
    expected = np.full((len(values) + 1, horizon), np.nan)
    for at in range(season, len(values) + 1):
        expected[at] = values[at - season + np.arange(horizon) % season]
    return expected


def smoothed(
    values: Values, horizon: int, season: int, known: int
) -> tuple[Values, dict[str, float]]:
    """Expects what exponential smoothing does, and gives its weights.

    Additive level, damped trend and, where `season` is more than 1, season: ETS(A,Ad,A) in its
    error correction form (Hyndman et al. 2008, Forecasting with Exponential Smoothing, table 2.3).
    The weights are those with the least squared error one step ahead within the first `known`
    values.
    """
    tried = np.array(
        [
            (level, trend, cycle)
            for level, trend, cycle in product(LEVELS, TRENDS, SEASONS if season > 1 else (0.0,))
            if trend <= level and cycle <= 1 - level
        ]
    )
    _, errors = _run(values[:known], horizon, season, tried)
    best = tried[[int(np.argmin((errors[season:] ** 2).sum(axis=0)))]]
    expected, _ = _run(values, horizon, season, best)
    return expected, dict(zip(("level", "trend", "season"), best[0].tolist(), strict=True))


def _run(values: Values, horizon: int, season: int, weights: Values) -> tuple[Values, Values]:
    """Gives the forecasts by the first weights, and the errors one step ahead by all of them."""
    beginning = values[: season * min(SEASONS_TO_BEGIN, len(values) // season)]
    level = np.full(len(weights), beginning.mean())
    cycle = np.tile(beginning.reshape(-1, season).mean(axis=0) - level[0], (len(weights), 1))
    trend = np.zeros(len(weights))
    fading = np.cumsum(DAMPING ** np.arange(1, horizon + 1))
    ahead = np.arange(horizon)
    expected, errors = np.empty((len(values) + 1, horizon)), np.empty((len(values), len(weights)))
    for at in range(len(values) + 1):
        expected[at] = level[0] + fading * trend[0] + cycle[0, (at + ahead) % season]
        if at < len(values):
            place = at % season
            error = values[at] - (level + DAMPING * trend + cycle[:, place])
            level = level + DAMPING * trend + weights[:, 0] * error
            trend = DAMPING * trend + weights[:, 1] * error
            cycle[:, place] += weights[:, 2] * error
            errors[at] = error
    return expected, errors


def past_errors(values: Values, expected: Values, known: int) -> Values:
    """Gives actual less expected from each point after `known` values: points by steps ahead."""
    horizon = expected.shape[1]
    origins = range(known, len(values) - horizon + 1)
    return np.array([values[at : at + horizon] - expected[at] for at in origins])


def reaches(errors: Values, level: float) -> Values:
    """Gives how far intervals reach to both sides at each step ahead, never less than before.

    Split conformal prediction (Lei et al. 2018, JASA 113:1094): the error that a share of `level`
    of past ones stay within, whatever their distribution.
    """
    ordered = np.sort(np.abs(errors), axis=0)
    place = min(ceil((len(ordered) + 1) * level), len(ordered)) - 1
    return np.maximum.accumulate(ordered[place])


def coverage(errors: Values, level: float) -> float:
    """Gives the share of the later half of errors inside intervals learnt from the earlier half."""
    half = len(errors) // 2
    return float(np.mean(np.abs(errors[half:]) <= reaches(errors[:half], level)))
