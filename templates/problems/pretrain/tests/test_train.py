"""The train stage: reproducible, with metrics, in one process and in two."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run

import scale as scales
import train
from budget import WorkMeter
from config import Config
from job import Job, settle

Metrics = list[dict[str, float]]


@pytest.fixture
def train_here(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Trains in this process; returns each step's tokens, FLOPs and loss, and the checkpoint."""

    def call(seed: int = 1, steps: int = 4, **changes: Any) -> tuple[Metrics, dict[str, Any]]:
        monkeypatch.setattr(train, "for_scale", lambda _: replace(Config(), **changes))
        scale = scales.load("cpu")
        device = settle(scale)
        torch.manual_seed(seed)
        meter = WorkMeter(scale.budget, device=device, max_steps=steps)
        seen: Metrics = []

        def report(tokens: int, loss: torch.Tensor) -> None:
            seen.append({"tokens": tokens, "flops": meter.flops, "train_loss": loss.item()})

        checkpoint = tmp_path / "checkpoint.pt"
        train.train(Job(scale, seed, data / "train", checkpoint, device, 0, 1, meter, report))
        return seen, torch.load(checkpoint, weights_only=True)

    return call


def metrics_of(output: str) -> Metrics:
    marked = [line for line in output.splitlines() if line.startswith("@metrics ")]
    return [json.loads(line.removeprefix("@metrics ")) for line in marked]


def test_same_seed_same_weights_and_other_seed_others(train_here: Callable[..., Any]):
    first, saved = train_here()
    again, saved_again = train_here()
    other, _ = train_here(seed=2)
    assert first == again
    assert all(torch.equal(saved["model"][k], saved_again["model"][k]) for k in saved["model"])
    assert first[-1]["train_loss"] != other[-1]["train_loss"]


def test_a_launched_run_reports_its_course(
    run: Run, data: Path, tmp_path: Path, train_here: Callable[..., Any]
):
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path / "out")
    done = run("launch.py", *arguments, "--max-steps", 20)
    assert done.returncode == 0, done.stderr
    metrics = metrics_of(done.stdout)
    assert len(metrics) == 20
    assert (metrics[-1]["step"], metrics[-1]["progress"]) == (20, 1.0)
    assert metrics[0]["flops"] == pytest.approx(metrics[-1]["flops"] / 20)
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]
    here, saved = train_here(steps=20)
    assert here[-1]["train_loss"] == metrics[-1]["train_loss"]
    assert here[-1]["tokens"] == metrics[-1]["tokens"]
    there = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert there["config"] == saved["config"]


def test_two_processes_count_the_work_of_both(
    run: Run, data: Path, tmp_path: Path, train_here: Callable[..., Any]
):
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path / "two")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = run(*torchrun, "launch.py", *arguments, "--max-steps", 3)
    assert done.returncode == 0, done.stderr
    together = metrics_of(done.stdout)
    alone, _ = train_here(steps=3)
    assert [line["tokens"] for line in together] == [line["tokens"] for line in alone]
    assert together[-1]["flops"] == alone[-1]["flops"]


def test_what_precedes_the_first_step_counts_against_a_budget_of_seconds(
    run: Run, code: Path, data: Path, tmp_path: Path
):
    toml = code / "scales" / "cpu.toml"
    toml.write_text(toml.read_text().replace('"flops" ', '"wall_seconds" ').replace("3e11", "3"))
    script = code / "train.py"
    script.write_text(f"import time\n\ntime.sleep(3)\n{script.read_text()}")
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path / "out")
    done = run("launch.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert [line["step"] for line in metrics_of(done.stdout)] == [1]


def test_a_full_run_needs_the_scales_number_of_processes(run: Run, data: Path, tmp_path: Path):
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path)
    done = run("launch.py", *arguments, WORLD_SIZE="2")
    assert done.returncode != 0
    assert "runs on 1 processes, not 2" in done.stderr


def test_training_that_leaves_no_checkpoint_has_failed(
    run: Run, code: Path, data: Path, tmp_path: Path
):
    script = code / "train.py"
    script.write_text(script.read_text().replace("torch.save({", "print({"))
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path / "out")
    done = run("launch.py", *arguments, "--max-steps", 1)
    assert done.returncode != 0
    assert "training ended without checkpoint.pt" in done.stderr


def test_accumulated_parts_make_the_same_step(train_here: Callable[..., Any]):
    whole, _ = train_here(steps=2)
    parts, _ = train_here(steps=2, accumulate=2)
    assert parts[-1]["train_loss"] == pytest.approx(whole[-1]["train_loss"], rel=1e-4)
    assert parts[-1]["flops"] == whole[-1]["flops"]
