"""Random windows of memory-mapped token files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

HEADER_MAGIC = 20240520
"""First int32 of shards in the llm.c format, whose tokens start after a header of 1,024 bytes."""
HEADER_BYTES = 1024


class Loader:
    """Draws windows uniformly from all `*.bin` files (uint16 tokens) of a folder."""

    def __init__(self, folder: Path, *, seed: int, rank: int, device: torch.device) -> None:
        self.shards = [open_shard(path) for path in sorted(folder.glob("*.bin"))]
        if not self.shards:
            raise FileNotFoundError(f"no *.bin token files in {folder}")
        sizes = np.array([len(shard) for shard in self.shards], dtype=np.float64)
        self.shares = sizes / sizes.sum()
        self.random = np.random.default_rng([seed, rank])
        self.device = device

    def draw(self, windows: int, context: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, both [windows, context]; a target is the token after its input."""
        rows = np.stack([self.window(context + 1) for _ in range(windows)])
        both = torch.from_numpy(rows.astype(np.int64))
        if self.device.type == "cuda":
            both = both.pin_memory().to(self.device, non_blocking=True)
        return both[:, :-1], both[:, 1:]

    def window(self, length: int) -> np.ndarray:
        """[length] consecutive tokens."""
        shard = self.shards[0]
        if len(self.shards) > 1:
            shard = self.shards[self.random.choice(len(self.shards), p=self.shares)]
        start = self.random.integers(len(shard) - length)
        return shard[start : start + length]


def open_shard(path: Path) -> np.ndarray:
    """Map a token file, without its header if it has one."""
    first = np.fromfile(path, dtype=np.int32, count=1)
    offset = HEADER_BYTES if first.size and first[0] == HEADER_MAGIC else 0
    return np.memmap(path, dtype=np.uint16, mode="r", offset=offset)
