"""Entry of the train stage: gives `solve` the loss, and writes what it found."""

import argparse
import json
import random
from pathlib import Path

import solve
from budget import EVALUATIONS, Loss, read_points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, help="fewer, to try a patch out")
    args = parser.parse_args()
    evaluations = min(args.evaluations, EVALUATIONS)
    loss = Loss(read_points(args.data), evaluations)
    found = solve.solve(loss, evaluations, random.Random(args.seed))
    (args.out / "answer.json").write_text(json.dumps([float(value) for value in found]))


if __name__ == "__main__":
    main()
