"""Measures the answer on points that training never saw. Starts no code of an idea.

Trusts nothing that solve.py could have written: not how much of the budget it says it used (`loss.used`),
only the coefficients, which count for what they are worth here.

Exit codes: 0 measured, 1 failed, 4 diverged (the loss is not finite); 3 would say that a policy was broken.
"""

import argparse
import json
import math
import sys
from pathlib import Path

from budget import mean_squared_error, read_points

DIVERGED = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--answer", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args()
    answer = json.loads(args.answer.read_text())
    if not isinstance(answer, list) or not all(isinstance(value, float) for value in answer):
        sys.exit("answer.json is not a list of numbers")
    try:
        loss = mean_squared_error(answer, read_points(args.data))
    except OverflowError:
        loss = math.inf
    if not math.isfinite(loss):
        print(f"diverged: the loss is {loss}", file=sys.stderr)
        sys.exit(DIVERGED)
    (args.out / "result.json").write_text(json.dumps({"loss": loss}))


if __name__ == "__main__":
    main()
