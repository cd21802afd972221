"""Entry of the train stage: seeds, threads, device and processes, then the branch's `train.train`.

Runs alone, or once in each process of `python -m torch.distributed.run`.
"""

import time

STARTED = time.monotonic()
"""When a budget of wall seconds begins: before torch is imported."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
if os.environ.get("WORLD_SIZE", "1") == "1":
    # Read when torch is imported: idle worker threads would be counted as the experiment's.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import torch.distributed as dist

import scale as scales
from budget import WorkMeter
from job import Job, settle

REPORTS = 32
"""Metric lines in a run, apart from the first and the last step's."""


def reporter(meter: WorkMeter, rank: int) -> Callable[[int, torch.Tensor], None]:
    """A function that prints a metrics line whenever another 1/REPORTS of the budget is spent."""
    due = 0.0

    def report(tokens: int, loss: torch.Tensor) -> None:
        nonlocal due
        if rank != 0 or (meter.progress < due and not meter.exhausted):
            return
        due = max(due, meter.progress) + 1 / REPORTS
        line = {
            "step": meter.steps,
            "tokens": tokens,
            "flops": meter.flops,
            "progress": round(meter.progress, 4),
            "train_loss": loss.item(),
        }
        print("@metrics", json.dumps(line), flush=True)

    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", required=True, choices=scales.names())
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--data", required=True, type=Path, help="folder of training tokens")
    parser.add_argument("--out", required=True, type=Path, help="gets checkpoint.pt")
    parser.add_argument("--max-steps", type=int, help="stop early, on any number of processes")
    args = parser.parse_args()

    scale = scales.load(args.scale)
    rank = int(os.environ.get("RANK", "0"))
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size != scale.world_size and args.max_steps is None:
        sys.exit(f"scale {scale.name} runs on {scale.world_size} processes, not {world_size}")

    device = settle(scale, int(os.environ.get("LOCAL_RANK", "0")))
    if world_size > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    meter = WorkMeter(scale.budget, device=device, max_steps=args.max_steps, started=STARTED)

    import train  # the branch's code, only once the process is set up

    checkpoint = args.out / "checkpoint.pt"
    train.train(
        Job(
            scale=scale,
            seed=args.seed,
            data=args.data,
            checkpoint=checkpoint,
            device=device,
            rank=rank,
            world_size=world_size,
            meter=meter,
            report=reporter(meter, rank),
        )
    )
    if world_size > 1:
        dist.destroy_process_group()
    if rank == 0 and not checkpoint.is_file():
        sys.exit(f"training ended without {checkpoint.name}")


if __name__ == "__main__":
    main()
