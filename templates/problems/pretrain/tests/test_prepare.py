"""Preparation: what is for training is not for validation, and what must be hidden is named."""

from pathlib import Path

import numpy as np
import pytest
import stdlib
from conftest import Run


@pytest.fixture
def prepared(run: Run, tmp_path: Path) -> Path:
    out = tmp_path / "prepared"
    done = run("prepare.py", "--scale", "cpu", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def text_of(path: Path) -> bytes:
    return np.fromfile(path, dtype="<u2").astype(np.uint8).tobytes()


def test_training_text_has_no_held_out_chunk(prepared: Path):
    train = text_of(prepared / "train" / "stdlib.bin")
    assert len(train) > 2_000_000
    for path in stdlib.sources(stdlib.FOLDER, stdlib.HELD_OUT):
        source = path.read_bytes()
        middle = source[len(source) // 2 :][:300]
        assert len(middle) < 300 or middle not in train


def test_held_out_text_is_large_enough_to_choose_from():
    assert len(stdlib.held_out_text()) > 300_000


def test_every_file_with_validation_text_is_to_be_hidden(prepared: Path):
    hidden = [Path(line) for line in (prepared / "hidden.txt").read_text().splitlines()]
    assert prepared / "validation" in hidden
    assert all(path.is_absolute() for path in hidden)
    assert stdlib.FOLDER / "turtle.py" in hidden
    assert stdlib.FOLDER / "xmlrpc" in hidden


def files_below(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


@pytest.mark.parametrize("own", ["", "envs/mine"])
def test_copies_in_condas_packages_and_environments_are_to_be_hidden(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copies = files_below(
        tmp_path,
        "lib/python3.12/turtle.py",
        "envs/mine/lib/python3.11/turtle.py",
        "envs/other/lib/python3.13/__pycache__/turtle.cpython-313.pyc",
        "pkgs/python-3.12.4-h5148396_1/lib/python3.12/xmlrpc/client.py",
        "pkgs/python-3.12.4-h5148396_1.conda",
        "pkgs/python-3.11.9-h955ad1f_0.tar.bz2",
    )
    others = files_below(tmp_path, "lib/python3.12/random.py", "pkgs/numpy-2.1.conda")
    monkeypatch.setattr(stdlib.sys, "base_prefix", str(tmp_path / own))
    hidden = stdlib.held_out_files()
    for path in copies:
        assert path in hidden or path.parent in hidden, path
    assert not set(others) & set(hidden)


BLIND = """
import sys
hidden = open(sys.argv[1]).read().splitlines()
def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        if any(arguments[0] == path or arguments[0].startswith(path + "/") for path in hidden):
            raise PermissionError(arguments[0])
sys.addaudithook(refuse)
import runpy
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_training_works_without_the_hidden_files(
    run: Run, code: Path, prepared: Path, tmp_path: Path
):
    arguments = ("--scale", "cpu", "--seed", 1, "--data", prepared / "train", "--out", tmp_path)
    # With -c, Python leaves the script's folder off the path.
    blind = ("-c", f"import sys; sys.path.insert(0, {str(code)!r})\n{BLIND}")
    done = run(*blind, prepared / "hidden.txt", "launch.py", *arguments, "--max-steps", 2)
    assert done.returncode == 0, done.stderr
    opened = run(*blind, prepared / "hidden.txt", stdlib.FOLDER / "turtle.py")
    assert "PermissionError" in opened.stderr


def test_missing_shards_are_explained(run: Run, tmp_path: Path):
    done = run("prepare.py", "--scale", "gpu1", "--out", tmp_path, PRETRAIN_TOKENS="")
    assert done.returncode != 0
    assert "PRETRAIN_TOKENS" in done.stderr
    assert "*train*.bin" in done.stderr


def test_shards_are_split_and_hidden(run: Run, code: Path, tmp_path: Path):
    toml = code / "scales" / "gpu1.toml"
    toml.write_text(toml.read_text().replace("tokens = 1_048_576", "tokens = 100"))
    shards = tmp_path / "shards"
    shards.mkdir()
    header = np.zeros(256, dtype="<i4")
    header[0] = 20240520
    tokens = np.arange(500, dtype="<u2")
    for name in ("train_0", "val_0"):
        (shards / f"{name}.bin").write_bytes(header.tobytes() + tokens.tobytes())
    out = tmp_path / "prepared"
    done = run("prepare.py", "--scale", "gpu1", "--out", out, PRETRAIN_TOKENS=str(shards))
    assert done.returncode == 0, done.stderr
    validation = np.fromfile(out / "validation" / "tokens.bin", dtype="<u2")
    assert validation.tolist() == list(range(101))
    assert str(shards / "val_0.bin") in (out / "hidden.txt").read_text().splitlines()
    assert [p.name for p in (out / "train").iterdir()] == ["train_0.bin"]
