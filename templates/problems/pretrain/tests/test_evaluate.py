"""The scorer: a repeatable score for an honest model, a refusal for the others."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from evaluate import cut_windows


def change(code: Path, name: str, old: str, new: str) -> None:
    path = code / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def result(tmp_path: Path) -> dict[str, float]:
    return json.loads((tmp_path / "evaluation" / "result.json").read_text())


def test_an_honest_model_gets_the_same_score_twice(checkpoint: Path, evaluate: Run, tmp_path: Path):
    scores = []
    for _ in range(2):
        done = evaluate(checkpoint)
        assert done.returncode == 0, done.stderr
        scores.append(result(tmp_path))
    assert scores[0] == scores[1]
    assert scores[0]["tokens"] == 4_100
    assert 1 < scores[0]["val_loss"] < 6


LEAKS = {
    "attends to all positions": ("is_causal=True", "is_causal=False"),
    "averages over the window": ("x = self.norm(x)", "x = self.norm(x + 0.5 * x.mean(1, True))"),
    "averages over the batch": ("x = self.norm(x)", "x = self.norm(x + 0.5 * x.mean(0, True))"),
    "shifts by one": ("x = self.norm(x)", "x = self.norm(x + x.roll(-1, 1))"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_model_that_sees_later_tokens_is_refused(
    leak: str, code: Path, checkpoint: Path, evaluate: Run, tmp_path: Path
):
    change(code, "model.py", *LEAKS[leak])
    done = evaluate(checkpoint)
    assert done.returncode == 3
    assert done.stderr.startswith("policy: prediction at position")
    assert not (tmp_path / "evaluation" / "result.json").exists()


def test_scores_that_are_no_distribution_are_refused(code: Path, checkpoint: Path, evaluate: Run):
    boast = "import torch\ntorch.log_softmax = lambda x, dim: torch.zeros_like(x)\nimport math"
    change(code, "model.py", "import math", boast)
    done = evaluate(checkpoint)
    assert done.returncode == 3
    assert done.stderr.startswith("policy: probabilities sum to 256")


def test_a_probability_above_one_is_refused(code: Path, checkpoint: Path, evaluate: Run):
    boast = "import torch\ntorch.log_softmax = lambda x, dim: torch.ones_like(x)\nimport math"
    change(code, "model.py", "import math", boast)
    done = evaluate(checkpoint)
    assert done.returncode == 3
    assert done.stderr.startswith("policy: a token has probability 2.718")


def test_a_loss_that_is_not_finite_is_called_diverged(code: Path, checkpoint: Path, evaluate: Run):
    change(code, "model.py", "logits = self.head(x)", "logits = self.head(x) * float('nan')")
    done = evaluate(checkpoint)
    assert done.returncode == 4
    assert done.stderr.startswith("diverged:")


def test_a_server_that_dies_is_quoted(code: Path, checkpoint: Path, evaluate: Run):
    change(code, "model.py", "import math", "raise SystemExit('no such luck')")
    done = evaluate(checkpoint)
    assert done.returncode == 1
    assert "no such luck" in done.stderr


def test_what_the_model_prints_does_no_harm(code: Path, checkpoint: Path, evaluate: Run):
    change(code, "model.py", "logits = self.head(x)", "logits = self.head(x); print('hello')")
    assert evaluate(checkpoint).returncode == 0


def test_a_file_named_like_a_module_cannot_shadow_it(code: Path, checkpoint: Path, evaluate: Run):
    (code / "argparse.py").write_text("raise SystemExit('shadowed')")
    (code / "numpy.py").write_text("raise SystemExit('shadowed')")
    done = evaluate(checkpoint)
    assert done.returncode == 1
    assert done.stderr.startswith("the model server failed")  # it, but not the scorer, is shadowed


def test_the_model_runs_behind_the_given_prefix(checkpoint: Path, evaluate: Run, tmp_path: Path):
    record = tmp_path / "used"
    prefix = ["sh", "-c", f'echo "$@" >> {record}; exec "$@"', "sandbox"]
    done = evaluate(checkpoint, AUTORES_UNTRUSTED=json.dumps(prefix))
    assert done.returncode == 0, done.stderr
    assert record.read_text().count("serve.py") == 2


@pytest.mark.parametrize(("predicted", "context"), [(12, 4), (13, 4), (15, 4), (4, 4)])
def test_every_prediction_counts_once(predicted: int, context: int):
    windows, counted = cut_windows(np.arange(predicted + 1), context)
    assert sorted(windows[:, 1:][counted]) == list(range(1, predicted + 1))
