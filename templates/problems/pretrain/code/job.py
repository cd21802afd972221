"""What the launcher hands to the training loop, and how a process is set up for a scale."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from budget import WorkMeter
from scale import Scale


@dataclass(frozen=True)
class Job:
    """One training run, as seen by one of its processes."""

    scale: Scale
    seed: int
    data: Path
    """Folder of training tokens."""
    checkpoint: Path
    """Where rank 0 writes `{"model": state_dict, "config": dict}`."""
    device: torch.device
    rank: int
    world_size: int
    meter: WorkMeter
    report: Callable[[int, torch.Tensor], None]
    """Call after every step with the tokens so far over all processes and the step's loss."""


def settle(scale: Scale, local_rank: int = 0) -> torch.device:
    """Set threads and determinism for this process; returns its device."""
    torch.set_num_threads(scale.threads)
    torch.set_flush_denormal(True)
    if scale.device == "cpu" and scale.threads == 1:
        # One thread has one order of summation; torch's switch would only add a second of imports.
        return torch.device("cpu")
    torch.use_deterministic_algorithms(scale.deterministic)
    if scale.device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(f"scale {scale.name} needs a CUDA device and there is none")
    torch.backends.cudnn.benchmark = not scale.deterministic
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
