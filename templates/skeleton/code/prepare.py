"""Makes the points, once for a machine: OUT/train, OUT/validation, and OUT/hidden.txt.

Ideas can read this file, so the validation points come from the operating system's entropy: from a seed,
solve.py could make them again. Losses therefore compare on one machine only.
"""

import argparse
import json
import math
import random
from pathlib import Path


def points(rng: random.Random, count: int) -> list[list[float]]:
    xs = [rng.uniform(-1.0, 1.0) for _ in range(count)]
    return [[x, math.sin(3 * x) + 0.5 * math.cos(7 * x) + rng.gauss(0.0, 0.1)] for x in xs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=Path)
    out = parser.parse_args().out.resolve()
    for name, rng in (("train", random.Random(1)), ("validation", random.SystemRandom())):
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "points.json").write_text(json.dumps(points(rng, 100)))
    (out / "hidden.txt").write_text(f"{out / 'validation'}\n")


if __name__ == "__main__":
    main()
