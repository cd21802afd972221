"""Data preparation: token files for training and for validation, and what to hide from training.

Writes OUT/train/*.bin, OUT/validation/tokens.bin (uint16 tokens) and OUT/hidden.txt: one absolute
path a line, files and folders that hold the validation text and that a training process must
therefore not be able to read.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import stdlib

import scale as scales

SHARDS_VARIABLE = "PRETRAIN_TOKENS"
SHARD_MAGIC = 20240520
SHARD_HEADER_BYTES = 1024


class DataError(Exception):
    """The text is not to be had; the message says what to put where."""


def from_stdlib(scale: scales.Scale, train: Path, validation: Path) -> list[Path]:
    """Bytes of the standard library's source. Returns the files that hold validation text."""
    held_out = stdlib.held_out_text()
    wanted = scale.evaluation.tokens + 1
    if len(held_out) < wanted:
        raise DataError(
            f"{stdlib.FOLDER} has {len(held_out)} bytes of the held-out modules' source, and"
            f" {wanted} are needed; install Python with its standard library's source"
        )
    write_tokens(validation, stdlib.spread(held_out, wanted))
    write_tokens(train / "stdlib.bin", stdlib.training_text())
    return stdlib.held_out_files()


def from_shards(scale: scales.Scale, train: Path, validation: Path) -> list[Path]:
    """Shards that the user tokenised. Returns those that hold validation text."""
    folder = os.environ.get(SHARDS_VARIABLE)
    explain = (
        f"scale {scale.name} reads GPT-2 tokens from the folder that {SHARDS_VARIABLE} names:"
        " *train*.bin and *val*.bin, each little-endian uint16 tokens, with or without the"
        " 1,024-byte header of the llm.c format"
    )
    if not folder:
        raise DataError(f"{SHARDS_VARIABLE} is not set. {explain}")
    held_out = sorted(Path(folder).resolve().glob("*val*.bin"))
    training = sorted(Path(folder).resolve().glob("*train*.bin"))
    if not held_out or not training:
        raise DataError(
            f"{folder} has {len(training)} shards for training and {len(held_out)} for validation."
            f" {explain}"
        )
    tokens = np.concatenate([read_shard(path) for path in held_out])[: scale.evaluation.tokens + 1]
    if len(tokens) <= scale.evaluation.tokens:
        raise DataError(
            f"the validation shards in {folder} have {len(tokens)} tokens, and"
            f" {scale.evaluation.tokens + 1} are needed"
        )
    tokens.astype("<u2").tofile(validation)
    for path in training:
        link_or_copy(path, train / path.name)
    return held_out


def write_tokens(path: Path, text: bytes) -> None:
    """One token per byte."""
    np.frombuffer(text, dtype=np.uint8).astype("<u2").tofile(path)


def read_shard(path: Path) -> np.ndarray:
    """The tokens of a shard, without its header if it has one."""
    first = np.fromfile(path, dtype="<i4", count=1)
    offset = SHARD_HEADER_BYTES if first.size and first[0] == SHARD_MAGIC else 0
    return np.memmap(path, dtype="<u2", mode="r", offset=offset)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `source` appear at `target`; shards are large, so a copy only across file systems."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", required=True, choices=scales.names())
    parser.add_argument("--out", required=True, type=Path)
    args = parser.parse_args()
    scale = scales.load(args.scale)
    out: Path = args.out.resolve()
    train, validation = out / "train", out / "validation"
    train.mkdir(parents=True, exist_ok=True)
    validation.mkdir(parents=True, exist_ok=True)
    source = from_stdlib if scale.source == "stdlib" else from_shards
    try:
        hidden = source(scale, train, validation / "tokens.bin")
    except DataError as error:
        sys.exit(str(error))
    listed = [validation, *hidden]
    (out / "hidden.txt").write_text("".join(f"{path}\n" for path in listed))


if __name__ == "__main__":
    main()
