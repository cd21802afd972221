"""Fixtures: the code as an experiment sees it, and data small enough for a test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CODE = Path(__file__).resolve().parent.parent / "code"

Run = Callable[..., subprocess.CompletedProcess[str]]


def copy_of_code(folder: Path) -> Path:
    copy = folder / "code"
    shutil.copytree(CODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    scale = copy / "scales" / "cpu.toml"
    scale.write_text(scale.read_text().replace("tokens = 98_304", "tokens = 4_100"))
    return copy


def runner(code: Path) -> Run:
    """Runs a script of `code` as the executor would; extra variables as keywords."""

    def call(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment["AUTORES_UNTRUSTED"] = "[]"
        return subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=code,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


def write_data(folder: Path) -> Path:
    """Token files with a pattern that a few steps can learn something of."""
    for part, size in (("train", 40_000), ("validation", 4_101)):
        (folder / part).mkdir(parents=True)
        text = np.random.default_rng(len(part)).integers(97, 110, size=size)
        text[1::2] = text[::2][: len(text[1::2])] + 1
        text.astype("<u2").tofile(folder / part / "tokens.bin")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of code/ that a test may change, with a smaller evaluation."""
    return copy_of_code(tmp_path)


@pytest.fixture
def run(code: Path) -> Run:
    return runner(code)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """What the unchanged code trains in a few steps."""
    folder = tmp_path_factory.mktemp("trained")
    arguments = ("--seed", 1, "--data", data / "train", "--out", folder, "--max-steps", 6)
    done = runner(copy_of_code(folder))("launch.py", "--scale", "cpu", *arguments)
    assert done.returncode == 0, done.stderr
    return folder / "checkpoint.pt"


@pytest.fixture
def evaluate(run: Run, data: Path, tmp_path: Path) -> Run:
    """Scores a checkpoint into tmp_path/evaluation/result.json."""

    def score(checkpoint: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        out = tmp_path / "evaluation"
        found = ("--data", data / "validation", "--checkpoint", checkpoint, "--out", out)
        return run("evaluate.py", "--scale", "cpu", *found, **variables)

    return score
