"""The trusted scorer: validation loss in nats per token, or a refusal.

Imports no code of the branch and unpickles nothing of it: predictions come from serve.py in a
process of its own, started through the command prefix in AUTORES_UNTRUSTED (a JSON array of
strings). Two such servers are asked, one after the other:

- The first scores every window as it is. At places drawn after each reply it must give the whole
  distribution, which must be normalised and agree with the reply.
- The second starts when the first and all that it started are gone. It gets every window cut at one
  random position, with all later tokens replaced by random others, and gives the distribution at
  the cut. That must be normalised, and give the true next token, which this server never saw, the
  probability that the first server gave it.

What this catches. Of the T predictions of a window one is compared, which one being drawn after the
first server is gone. If a share f of all predictions, spread over the windows, uses a later token
(the next one or any other) or claims too much, and that moves them by more than the tolerance, it
goes unseen with probability about (1 - f) ** W for W windows: at scale cpu, with windows of T = 32
tokens and so W = 3,072, 5% for f = 0.1% and under 1e-13 for f = 1%. Longer windows are fewer, with
T = 256 W = 384. Of more windows than the scale's `perturbed_windows` only so many are compared.

What it does not. Log-probabilities are compared within a tolerance, because a float sum depends on
how a batch is laid out, and relative to their size where that is above 1. So a leak kept below it
may lower the loss by about tolerance * max(1, loss), and probabilities that sum to a little over 1
by tolerance more. The second server can learn from the first whatever survives it: a file where
the prefix lets it write, access times, the page cache. Without a sandbox as prefix nothing holds.

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
import processes
from server import Server, ServerError

import scale as scales

PREFIX_VARIABLE = "AUTORES_UNTRUSTED"

WINDOW_ORDER = 0
"""Seed of the order in which windows are scored. Fixed, so that the loss is the same every time;
shuffled, so that a model cannot carry one window's text into the next."""


class Refusal(Exception):  # noqa: N818
    """No score; carries the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


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


def perturb(
    rows: np.ndarray, cuts: np.ndarray, vocabulary: int, random: np.random.Generator
) -> np.ndarray:
    """[B, T + 1] rows with every token after the row's cut replaced by another, random one."""
    shift = random.integers(1, vocabulary, size=rows.shape)
    future = np.arange(rows.shape[1]) > cuts[:, None]
    return np.where(future, (rows + shift) % vocabulary, rows)


@dataclass(frozen=True)
class Scored:
    """What the first server said of W windows, and S spot checks of it.

    scores: [W, T] log-probabilities of the tokens
    masses: [S] sums of the probabilities at a spot
    gaps: [S] distances between a token's score and its place in the distribution
    """

    scores: np.ndarray
    masses: np.ndarray
    gaps: np.ndarray


def score_all(server: Server, windows: np.ndarray, batch: int, spots: int) -> Scored:
    """Score all windows, with `spots` spot checks of every batch."""
    order = np.random.default_rng(WINDOW_ORDER).permutation(len(windows))
    random = np.random.default_rng()
    context = windows.shape[1] - 1
    scores = np.empty((len(windows), context), dtype=np.float32)
    masses, gaps = [], []
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        scores[chosen] = server.score(windows[chosen])
        rows = random.integers(len(chosen), size=spots)
        positions = random.integers(context, size=spots)
        seen = server.spots(rows, positions)
        picked = chosen[rows]
        whole = seen[np.arange(spots), windows[picked, positions + 1]]
        masses.append(mass(seen))
        gaps.append(distance(scores[picked, positions], whole))
    return Scored(scores, np.concatenate(masses), np.concatenate(gaps))


def check_distributions(scored: Scored, tolerance: float) -> None:
    """Refuse replies that are not log-probabilities of one distribution."""
    highest = scored.scores.max()
    if not highest <= tolerance:
        raise Refusal(3, f"policy: a token has probability {np.exp(highest):.4g}")
    check_masses(scored.masses, tolerance)
    if not np.all(scored.gaps <= tolerance):
        raise Refusal(3, "policy: the score of a token differs from its place in the distribution")


def check_masses(masses: np.ndarray, tolerance: float) -> None:
    """Refuse distributions that are not normalised. NaN compares as false, and so is refused."""
    if not np.all(close := np.abs(masses - 1) <= tolerance):
        raise Refusal(3, f"policy: probabilities sum to {masses[~close][0]:.4f}")


def check_causality(
    server: Server, windows: np.ndarray, scores: np.ndarray, batch: int, sizes: scales.Evaluation
) -> None:
    """Refuse scores that this server, which sees no token after the cut, does not come to."""
    random = np.random.default_rng()
    order = random.permutation(len(windows))[: sizes.perturbed_windows]
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        cuts = random.integers(windows.shape[1] - 1, size=len(chosen))
        server.score(perturb(windows[chosen], cuts, server.vocabulary, random))
        rows = np.arange(len(chosen))
        seen = server.spots(rows, cuts)
        check_masses(mass(seen), sizes.tolerance)
        blind = seen[rows, windows[chosen, cuts + 1]]
        same = distance(scores[chosen, cuts], blind) <= sizes.tolerance
        if not np.all(same):
            position = cuts[~same].min()
            raise Refusal(3, f"policy: prediction at position {position} changes with later tokens")


def mass(log_probabilities: np.ndarray) -> np.ndarray:
    """[N, V] log-distributions -> [N] sums of their probabilities."""
    with np.errstate(over="ignore"):
        return np.exp(log_probabilities.astype(np.float64)).sum(axis=-1)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of log-probabilities, relative where both are below -1 as float noise is.

    NaN where one is: compare with <=, which is then false.
    """
    with np.errstate(invalid="ignore"):
        size = np.maximum(1.0, np.minimum(np.abs(a), np.abs(b)))
        return np.where(a == b, 0.0, np.abs(a - b) / size)


def server_command(scale: scales.Scale, checkpoint: Path) -> list[str]:
    """The model server behind the prefix that keeps it from everything else."""
    variable = os.environ.get(PREFIX_VARIABLE)
    if not variable:
        raise Refusal(
            1,
            f"{PREFIX_VARIABLE} is not set, so that nothing would confine the model's code: run"
            f" this through autores, or set {PREFIX_VARIABLE}='[]' to evaluate code that you trust",
        )
    prefix = json.loads(variable)
    if not isinstance(prefix, list) or not all(isinstance(word, str) for word in prefix):
        raise Refusal(1, f"{PREFIX_VARIABLE} is not a JSON array of strings")
    arguments = ["serve.py", "--scale", scale.name, "--checkpoint", str(checkpoint)]
    return [*prefix, sys.executable, *arguments]


def evaluate(scale: scales.Scale, data: Path, checkpoint: Path) -> dict[str, float | int]:
    """Score a checkpoint on `data`/tokens.bin; raises Refusal or ServerError."""
    sizes = scale.evaluation
    command = server_command(scale, checkpoint)
    tokens = np.fromfile(data / "tokens.bin", dtype=np.uint16)[: sizes.tokens + 1].astype(np.int64)

    with Server(command, sizes.seconds, is_blind=True) as first:
        context = first.greet(scale.vocabulary, sizes.max_context)
        windows, counted = cut_windows(tokens, context)
        batch = max(1, sizes.batch_tokens // context)
        scored = score_all(first, windows, batch, sizes.spots_per_batch)
    loss = -float(scored.scores[counted].mean(dtype=np.float64))
    if not np.isfinite(loss):
        raise Refusal(4, f"diverged: the validation loss is {loss}")
    check_distributions(scored, sizes.tolerance)

    # Only now, so that the two cannot speak to each other.
    with Server(command, sizes.seconds, is_blind=False) as second:
        if second.greet(scale.vocabulary, sizes.max_context) != context:
            raise Refusal(3, "policy: two servers of one checkpoint differ in their context")
        check_causality(second, windows, scored.scores, batch, sizes)
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
    processes.adopt_orphans()
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
