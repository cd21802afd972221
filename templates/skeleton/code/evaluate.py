"""Measures the answer on points that training never saw. Starts no code of an idea."""

import argparse
import json
import math
import sys
from pathlib import Path

from budget import mean_squared_error, read_points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--answer", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args()
    answer = json.loads(args.answer.read_text())
    if not isinstance(answer, list) or not all(isinstance(value, float) for value in answer):
        sys.exit("answer.json is not a list of numbers")
    loss = mean_squared_error(answer, read_points(args.data))
    if not math.isfinite(loss):
        sys.exit(f"the loss is {loss}")
    (args.out / "result.json").write_text(json.dumps({"loss": loss}))


if __name__ == "__main__":
    main()
