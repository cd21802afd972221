"""Looks for coefficients with a small loss. Ideas change this file."""

import random
from collections.abc import Callable

DEGREE = 4
FIRST_STEP = 0.5


def solve(loss: Callable[[list[float]], float], evaluations: int, rng: random.Random) -> list[float]:
    """Hill climbing: keep a random step when it lowers the loss."""
    best = [0.0] * (DEGREE + 1)
    lowest = loss(best)
    for done in range(1, evaluations):
        step = step_size(done / evaluations)
        candidate = propose(best, step, rng)
        value = loss(candidate)
        if value < lowest:
            best, lowest = candidate, value
    return best


def step_size(progress: float) -> float:
    """Standard deviation of a step when this share of the evaluations is used."""
    return FIRST_STEP


def propose(best: list[float], step: float, rng: random.Random) -> list[float]:
    """A neighbour of the best coefficients."""
    return [coefficient + rng.gauss(0.0, step) for coefficient in best]
