"""The train stage: reproducible, with metrics, in one process and in two."""

import json
from pathlib import Path

import pytest
import torch
from conftest import Run


def metrics_of(output: str) -> list[dict[str, float]]:
    marked = [line for line in output.splitlines() if line.startswith("@metrics ")]
    return [json.loads(line.removeprefix("@metrics ")) for line in marked]


def launch(run: Run, data: Path, out: Path, seed: int = 1, steps: int = 6):
    arguments = ("--scale", "cpu", "--seed", seed, "--data", data / "train", "--out", out)
    done = run("launch.py", *arguments, "--max-steps", steps)
    assert done.returncode == 0, done.stderr
    return metrics_of(done.stdout), torch.load(out / "checkpoint.pt", weights_only=True)


def test_same_seed_same_weights_and_other_seed_others(run: Run, data: Path, tmp_path: Path):
    first, saved = launch(run, data, tmp_path / "a")
    again, saved_again = launch(run, data, tmp_path / "b")
    other, _ = launch(run, data, tmp_path / "c", seed=2)
    assert first == again
    assert all(torch.equal(saved["model"][k], saved_again["model"][k]) for k in saved["model"])
    assert first[-1]["train_loss"] != other[-1]["train_loss"]


def test_metrics_say_how_far_it_got(run: Run, data: Path, tmp_path: Path):
    metrics, saved = launch(run, data, tmp_path / "a", steps=40)
    assert 20 <= len(metrics) <= 41
    assert metrics[-1]["step"] == 40
    assert metrics[-1]["progress"] == 1.0
    assert metrics[0]["flops"] == pytest.approx(metrics[-1]["flops"] / 40)
    config = saved["config"]
    assert metrics[-1]["tokens"] == 40 * config["batch"] * config["context"]
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]


def test_two_processes_count_the_work_of_both(run: Run, data: Path, tmp_path: Path):
    alone, _ = launch(run, data, tmp_path / "alone", steps=3)
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path / "two")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = run(*torchrun, "launch.py", *arguments, "--max-steps", 3)
    assert done.returncode == 0, done.stderr
    together = metrics_of(done.stdout)
    assert [line["tokens"] for line in together] == [line["tokens"] for line in alone]
    assert together[-1]["flops"] == alone[-1]["flops"]


def test_a_full_run_needs_the_scales_number_of_processes(run: Run, data: Path, tmp_path: Path):
    arguments = ("--scale", "cpu", "--seed", 1, "--data", data / "train", "--out", tmp_path)
    done = run("launch.py", *arguments, WORLD_SIZE="2")
    assert done.returncode != 0
    assert "runs on 1 processes, not 2" in done.stderr


def test_accumulated_parts_make_the_same_step(run: Run, code: Path, data: Path, tmp_path: Path):
    whole, _ = launch(run, data, tmp_path / "whole", steps=2)
    config = code / "config.py"
    config.write_text(config.read_text().replace("accumulate: int = 1", "accumulate: int = 2"))
    parts, _ = launch(run, data, tmp_path / "parts", steps=2)
    assert parts[-1]["train_loss"] == pytest.approx(whole[-1]["train_loss"], rel=1e-4)
    assert parts[-1]["flops"] == whole[-1]["flops"]
