"""The loss that may be evaluated so many times. Frozen: every idea has the same budget.

The count keeps an honest `solve` within it. It lives in the same process as solve.py, which could set
`used` back or fit the points by itself: what bounds that is the limit on CPU seconds in problem.yaml.
"""

import json
from pathlib import Path

EVALUATIONS = 3_000
REPORTS = 10


def polynomial(coefficients: list[float], x: float) -> float:
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def mean_squared_error(coefficients: list[float], points: list[list[float]]) -> float:
    return sum((polynomial(coefficients, x) - y) ** 2 for x, y in points) / len(points)


def read_points(folder: Path) -> list[list[float]]:
    return json.loads((folder / "points.json").read_text())


class Loss:
    """Mean squared error on the training points, counted and reported."""

    def __init__(self, points: list[list[float]], evaluations: int = EVALUATIONS) -> None:
        self.points = points
        self.evaluations = evaluations
        self.used = 0
        self.lowest = float("inf")

    def __call__(self, coefficients: list[float]) -> float:
        if self.used >= self.evaluations:
            raise RuntimeError(f"the budget of {self.evaluations} evaluations is used up")
        self.used += 1
        value = mean_squared_error(coefficients, self.points)
        self.lowest = min(self.lowest, value)
        if self.used % max(1, self.evaluations // REPORTS) == 0:
            print("@metrics", json.dumps({"step": self.used, "train_loss": self.lowest}), flush=True)
        return value
