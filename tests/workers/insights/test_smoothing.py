"""Forecasts against plain loops, and intervals against what then came."""

from __future__ import annotations

import numpy as np
import pytest

from workers.insights.smoothing import coverage, last_value, past_errors, reaches, smoothed


def series(count: int, seed: int, noise: float = 10.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    week = 30 * np.sin(np.arange(count) * 2 * np.pi / 7)
    return 200 + week + random.normal(0, noise, count)


def test_smooths_as_the_formulas_say() -> None:
    values = series(80, 1)
    expected, weights = smoothed(values, 7, 7, 40)
    # The textbook's equations, one value at a time.
    level = float(np.mean(values[:28]))
    season = [float(np.mean(values[at:28:7])) - level for at in range(7)]
    trend = 0.0
    for at, value in enumerate(values):
        fading, ahead = 0.0, []
        for step in range(7):
            fading += 0.95 ** (step + 1)
            ahead.append(level + fading * trend + season[(at + step) % 7])
        assert list(expected[at]) == pytest.approx(ahead)
        error = value - ahead[0]
        level, trend = (
            level + 0.95 * trend + weights["level"] * error,
            0.95 * trend + weights["trend"] * error,
        )
        season[at % 7] += weights["season"] * error
    assert expected.shape == (81, 7)


def test_learns_from_the_known_part_alone() -> None:
    values = series(120, 2)
    changed = values.copy()
    changed[60:] *= -5
    (first, weights), (second, others) = smoothed(values, 7, 7, 60), smoothed(changed, 7, 7, 60)
    assert weights == others
    assert (first[:61] == second[:61]).all()


def test_repeats_the_last_value_and_the_last_season() -> None:
    values = np.arange(10.0)
    assert list(last_value(values, 3)[-1]) == [9, 9, 9]
    assert list(last_value(values, 5, 4)[-1]) == [6, 7, 8, 9, 6]
    assert past_errors(values, last_value(values, 3), 5).tolist() == [[1, 2, 3]] * 3


def test_intervals_cover_what_comes() -> None:
    inside = {0.8: 0, 0.95: 0}
    for seed in range(150):
        values = series(147, seed)
        expected, _ = smoothed(values[:140], 7, 7, 70)
        errors = past_errors(values[:140], expected, 70)
        off = np.abs(values[140:] - expected[-1])
        for level in inside:
            inside[level] += int((off <= reaches(errors, level)).sum())
    assert inside[0.8] / (150 * 7) == pytest.approx(0.82, abs=0.06)
    assert inside[0.95] / (150 * 7) == pytest.approx(0.96, abs=0.03)


def test_intervals_never_narrow_ahead_and_hold_their_share() -> None:
    errors = np.random.default_rng(3).normal(0, [1, 2, 1.5], (40, 3))
    reach = reaches(errors, 0.8)
    assert (np.diff(reach) >= 0).all()
    assert (np.abs(errors[:, 0]) <= reach[0]).mean() >= 0.8
    assert (np.abs(errors[:, 0]) < reach[0]).mean() <= 0.85
    half = np.abs(errors[20:]) <= reaches(errors[:20], 0.8)
    assert coverage(errors, 0.8) == pytest.approx(half.mean())
