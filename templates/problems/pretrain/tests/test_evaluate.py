"""The scorer: a repeatable score for an honest model, a refusal for the others."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import server
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


LOGITS = "logits = self.head(x)"
KNOWN = "F.one_hot(tokens[:, 1:], logits.shape[-1]) == 1"

LEAKS = {
    "attends to all positions": ("is_causal=True", "is_causal=False"),
    "averages over the window": ("x = self.norm(x)", "x = self.norm(x + 0.5 * x.mean(1, True))"),
    "averages over the batch": ("x = self.norm(x)", "x = self.norm(x + 0.5 * x.mean(0, True))"),
    "shifts by one": ("x = self.norm(x)", "x = self.norm(x + x.roll(-1, 1))"),
    "is certain": (
        LOGITS,
        f"{LOGITS}; logits[:, :-1] = torch.where({KNOWN}, 0.0, -torch.inf)",
    ),
    "is nearly certain": (LOGITS, f"{LOGITS}; logits[:, :-1] += 9.0 * ({KNOWN})"),
    "looks ahead at a quarter of the positions": (
        LOGITS,
        f"{LOGITS}; logits[:, 4:12] += 9.0 * ({KNOWN})[:, 4:12]",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_model_that_sees_later_tokens_is_refused(
    leak: str, code: Path, checkpoint: Path, evaluate: Run, tmp_path: Path
):
    change(code, "model.py", *LEAKS[leak])
    change(code, "model.py", "import math", "import math\n\nimport torch")
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


def test_a_score_that_the_distribution_does_not_bear_out_is_refused(
    code: Path, checkpoint: Path, evaluate: Run
):
    honest = "answer = current.gather(-1, numbers[:, 1:, None]).squeeze(-1)"
    inputs, targets = "numbers[:, :-1]", "numbers[:, 1:]"
    boast = f"answer = torch.where(({inputs} + {targets}) % 9 == 0, -0.5, answer)"
    change(code, "serve.py", honest, f"{honest}; {boast}")
    done = evaluate(checkpoint)
    assert done.returncode == 3
    assert done.stderr.startswith("policy: ")


def test_a_server_that_dies_is_quoted(code: Path, checkpoint: Path, evaluate: Run):
    change(code, "model.py", "import math", "raise SystemExit('no such luck')")
    done = evaluate(checkpoint)
    assert done.returncode == 1
    assert "no such luck" in done.stderr


def test_a_server_that_is_late_is_quoted(
    code: Path, checkpoint: Path, evaluate: Run, tmp_path: Path
):
    change(code, "scales/cpu.toml", "seconds = 120 ", "seconds = 1 ")
    prefix = ["sh", "-c", "echo warming up >&2; sleep 100; true", "sandbox"]
    done = evaluate(checkpoint, AUTORES_UNTRUSTED=json.dumps(prefix))
    assert done.returncode == 1
    assert "the model server took longer than 1 s" in done.stderr
    assert done.stderr.strip().endswith("warming up")


def test_a_server_that_has_seen_validation_text_is_not_quoted(
    code: Path, checkpoint: Path, evaluate: Run
):
    words = "f'secret {tokens[0].tolist()}'"
    tell = f"import sys; print({words}, file=sys.stderr); raise RuntimeError({words})"
    change(code, "model.py", LOGITS, tell)
    done = evaluate(checkpoint)
    assert done.returncode == 1
    assert "the model server failed (exit status 1); what it wrote is not shown" in done.stderr
    assert "secret" not in done.stderr


GREET = "import os, struct, sys, time; os.write(1, struct.pack('<II', 4, 9)); os.read(0, 9);"

ENDINGS = {
    "exit status 7": "sys.exit(7)",
    "ended by signal 9": "os.kill(os.getpid(), 9)",
    "it answered something else": "os.write(1, struct.pack('<Q', 7777)); time.sleep(100)",
    "took longer than 3 s": "time.sleep(100)",
}


@pytest.mark.parametrize("how", ENDINGS)
def test_of_an_asked_server_only_the_way_it_ended_is_told(
    how: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "PATIENCE", 1)
    script = f"{GREET} print('secret', file=sys.stderr, flush=True); {ENDINGS[how]}"
    with server.Server([sys.executable, "-c", script], 3, is_blind=True) as asked:
        assert asked.greet(9, 4) == 4
        with pytest.raises(server.ServerError) as caught:
            asked.score(np.zeros((1, 3), dtype=np.int64))
    assert how in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "7777" not in str(caught.value)


def test_the_second_server_is_not_quoted_even_before_it_is_asked(
    code: Path, checkpoint: Path, evaluate: Run, tmp_path: Path
):
    note = tmp_path / "seen"
    remember = (
        "from pathlib import Path\n\n"
        f"note = Path({str(note)!r})\n"
        "if note.exists():\n    raise SystemExit('secret')\n"
        "note.touch()\nimport math"
    )
    change(code, "model.py", "import math", remember)
    done = evaluate(checkpoint)
    assert done.returncode == 1
    assert "the model server failed (exit status 1)" in done.stderr
    assert "secret" not in done.stderr


def test_a_server_that_cannot_start_is_explained(checkpoint: Path, evaluate: Run):
    done = evaluate(checkpoint, AUTORES_UNTRUSTED='["/no/such/sandbox"]')
    assert done.returncode == 1
    assert done.stderr.startswith("cannot start the model server: ")
    assert "/no/such/sandbox" in done.stderr


@pytest.mark.parametrize("prefix", ["", '"sh"', "[1]"])
def test_without_a_prefix_nothing_is_evaluated(prefix: str, checkpoint: Path, evaluate: Run):
    done = evaluate(checkpoint, AUTORES_UNTRUSTED=prefix)
    assert done.returncode == 1
    assert done.stderr.startswith("AUTORES_UNTRUSTED is not ")


HAUNT = """import math
import os
import time
from pathlib import Path

note = Path({note!r})
if note.exists():
    if Path("/proc", note.read_text()).exists():
        raise SystemExit("the first server's child is still there")
elif os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    note.with_suffix(".partial").write_text(str(os.getpid()))
    note.with_suffix(".partial").rename(note)
    time.sleep(100)
    os._exit(0)
while not note.exists():
    time.sleep(0.01)
"""


def test_the_second_server_meets_nothing_that_the_first_started(
    code: Path, checkpoint: Path, evaluate: Run, tmp_path: Path
):
    note = tmp_path / "pid"
    change(code, "model.py", "import math", HAUNT.format(note=str(note)))
    done = evaluate(checkpoint)
    assert done.returncode == 0, done.stderr
    assert not Path("/proc", note.read_text()).exists()


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
