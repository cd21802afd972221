"""The trusted scorer: validation loss in nats per token, or a refusal.

Imports no code of the branch and unpickles nothing of it: predictions come from serve.py in a
process of its own, started through the command prefix in AUTORES_UNTRUSTED (a JSON array of
strings). The scorer checks that

- replies are distributions: whole distributions at places it picks only after the reply was given
  are normalised and agree with the reply;
- no prediction depends on a later token: a second server, which cannot remember the first one's
  rows, is given rows whose future is replaced by random tokens, and must predict the same.

Numbers are compared within a tolerance, because a float sum depends on how a batch is laid out.
What it lets through cannot matter: a leak that moves predictions by at most the tolerance lowers
the loss by at most the tolerance.

Exit codes: 0 scored, 1 failed, 3 policy (a check failed), 4 diverged (the loss is not finite).
"""

import sys

# A branch may add a file named like a module that the scorer imports; such a file must lose.
sys.path.append(sys.path.pop(0))

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from server import Server, ServerError

import scale as scales

WINDOW_ORDER = 0
"""Seed of the order in which windows are scored. Fixed, so that the loss is the same every time;
shuffled, so that a model cannot carry one window's text into the next."""


class Refusal(Exception):  # noqa: N818
    """No score; carries the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Checks:
    """Which windows are checked, and where. R windows, K places in each.

    rows: [R] distinct window indices
    cuts: [R] last position whose token is kept when the future is perturbed
    places: [R, K] positions compared, none after the cut, the first of them the cut itself
    """

    rows: np.ndarray
    cuts: np.ndarray
    places: np.ndarray

    @staticmethod
    def choose(windows: int, context: int, sizes: scales.Evaluation) -> "Checks":
        """Choose at random, from the operating system's entropy so that no model can know."""
        random = np.random.default_rng()
        count = min(sizes.checked_rows, windows)
        rows = random.choice(windows, size=count, replace=False)
        cuts = random.integers(0, context, size=count)
        places = random.integers(0, cuts[:, None] + 1, size=(count, sizes.checks_per_row))
        places[:, 0] = cuts
        return Checks(rows, cuts, places)


def cut_windows(tokens: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
    """[N + 1] tokens -> [W, T + 1] windows that predict every token but the first, and [W, T] bool.

    The mask marks predictions that count: the last window starts early when T does not divide N.
    """
    predicted = len(tokens) - 1
    starts = np.arange(0, predicted, context)
    starts[-1] = predicted - context
    windows = np.lib.stride_tricks.sliding_window_view(tokens, context + 1)[starts]
    counted = np.ones((len(starts), context), dtype=bool)
    counted[-1, : len(starts) * context - predicted] = False
    return windows, counted


def perturb(windows: np.ndarray, checks: Checks, vocabulary: int) -> np.ndarray:
    """The checked windows with every token after the cut replaced by another, random one."""
    random = np.random.default_rng()
    rows = windows[checks.rows]
    shift = random.integers(1, vocabulary, size=rows.shape)
    future = np.arange(rows.shape[1]) > checks.cuts[:, None]
    return np.where(future, (rows + shift) % vocabulary, rows)


def score_all(server: Server, windows: np.ndarray, checks: Checks, batch: int):
    """Log-probabilities [W, T] of the tokens, and distributions [R, K, V] at the checks."""
    order = np.random.default_rng(WINDOW_ORDER).permutation(len(windows))
    scores = np.empty((len(windows), windows.shape[1] - 1), dtype=np.float32)
    seen = np.empty((*checks.places.shape, server.vocabulary), dtype=np.float32)
    check_of = {int(window): index for index, window in enumerate(checks.rows)}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        scores[chosen] = server.score(windows[chosen])
        for row, window in enumerate(chosen):
            if (index := check_of.get(int(window))) is not None:
                seen[index] = server.spots(row, checks.places[index])
    return scores, seen


def score_perturbed(server: Server, rows: np.ndarray, checks: Checks, batch: int) -> np.ndarray:
    """Distributions [R, K, V] at the checks, given the perturbed rows."""
    seen = np.empty((*checks.places.shape, server.vocabulary), dtype=np.float32)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        server.score(part)
        for row in range(len(part)):
            seen[start + row] = server.spots(row, checks.places[start + row])
    return seen


def check_distributions(scores, seen, windows, checks: Checks, tolerance: float) -> None:
    """Refuse replies that are not log-probabilities of one distribution."""
    if scores.max() > tolerance:
        raise Refusal(3, f"policy: a token has probability {np.exp(scores.max()):.4g}")
    with np.errstate(over="ignore"):
        mass = np.exp(seen.astype(np.float64)).sum(axis=-1)
    if not np.all(np.abs(mass - 1) <= tolerance):
        raise Refusal(3, f"policy: probabilities sum to {mass.flat[np.abs(mass - 1).argmax()]:.4f}")
    rows = checks.rows[:, None]
    targets = windows[rows, checks.places + 1]
    whole = np.take_along_axis(seen, targets[..., None], axis=-1).squeeze(-1)
    if np.any(distance(whole, scores[rows, checks.places]) > tolerance):
        raise Refusal(3, "policy: the score of a token differs from its place in the distribution")


def check_causality(seen, perturbed, checks: Checks, tolerance: float) -> None:
    """Refuse predictions that changed when only later tokens did."""
    moved = distance(seen, perturbed).max(axis=-1) > tolerance
    if moved.any():
        position = checks.places[moved].min()
        raise Refusal(3, f"policy: prediction at position {position} changes with later tokens")


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of log-probabilities, relative where they are below -1 as float noise is."""
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(a)))


def evaluate(scale: scales.Scale, data: Path, checkpoint: Path) -> dict[str, float | int]:
    """Score a checkpoint on `data`/tokens.bin; raises Refusal or ServerError."""
    sizes = scale.evaluation
    tokens = np.fromfile(data / "tokens.bin", dtype=np.uint16)[: sizes.tokens + 1].astype(np.int64)
    command = [*json.loads(os.environ.get("AUTORES_UNTRUSTED") or "[]"), sys.executable]
    command += ["serve.py", "--scale", scale.name, "--checkpoint", str(checkpoint)]

    # Both start at once, since most of a server's time goes into importing torch.
    with Server(command, sizes.seconds) as first, Server(command, sizes.seconds) as second:
        context = first.greet(scale.vocabulary, sizes.max_context)
        windows, counted = cut_windows(tokens, context)
        checks = Checks.choose(len(windows), context, sizes)
        batch = max(1, sizes.batch_tokens // context)
        scores, seen = score_all(first, windows, checks, batch)
        loss = -float(scores[counted].mean(dtype=np.float64))
        if not np.isfinite(loss):
            raise Refusal(4, f"diverged: the validation loss is {loss}")
        check_distributions(scores, seen, windows, checks, sizes.tolerance)
        if second.greet(scale.vocabulary, sizes.max_context) != context:
            raise Refusal(3, "policy: two servers of one checkpoint differ in their context")
        rows = perturb(windows, checks, scale.vocabulary)
        perturbed = score_perturbed(second, rows, checks, batch)
        check_causality(seen, perturbed, checks, sizes.tolerance)
    return {"val_loss": loss, "tokens": int(counted.sum()), "context": context}


def write_whole(path: Path, content: str) -> None:
    """Write a file that is either absent or complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Score a checkpoint.")
    parser.add_argument("--scale", required=True, choices=scales.names())
    parser.add_argument("--data", required=True, type=Path, help="folder of validation tokens")
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="gets result.json")
    args = parser.parse_args()
    try:
        result = evaluate(scales.load(args.scale), args.data, args.checkpoint)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.code
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    write_whole(args.out / "result.json", json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
