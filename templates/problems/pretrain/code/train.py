"""The training loop, in one process or in each process of a distributed run."""

from contextlib import nullcontext
from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from config import for_scale
from job import Job
from loader import Loader
from model import build
from optimizer import build_optimizers
from schedule import multiplier


def train(job: Job) -> None:
    """Train until the budget is spent, then write the checkpoint."""
    config = for_scale(job.scale.name)
    model = build(config).to(job.device)
    trained = DistributedDataParallel(model) if job.world_size > 1 else model
    optimizers = build_optimizers(model, config)
    loader = Loader(job.data, seed=job.seed, rank=job.rank, device=job.device)
    autocast = torch.autocast(job.device.type, torch.bfloat16, enabled=config.bfloat16)
    tokens = 0

    while not job.meter.exhausted:
        progress = job.meter.progress
        context = config.context
        batch = config.batch
        windows = batch // (job.world_size * config.accumulate)
        with job.meter.step((windows, context)):
            rate = multiplier(progress, config)
            set_rates(optimizers, rate)
            mean_loss = torch.zeros((), device=job.device)
            for part in range(config.accumulate):
                last = part == config.accumulate - 1
                inputs, targets = loader.draw(windows, context)
                with autocast:
                    logits = trained(inputs)
                    loss = loss_of(logits, targets) / config.accumulate
                with nullcontext() if last else unsynchronised(trained):
                    loss.backward()
                mean_loss += loss.detach()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        tokens += batch * context
        job.report(tokens, mean_loss)

    if job.rank == 0:
        weights = model.state_dict()
        torch.save({"model": weights, "config": asdict(config)}, job.checkpoint)


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean nats per token of [B, T, V] logits for [B, T] targets."""
    flat = logits.flatten(0, 1).float()
    loss = F.cross_entropy(flat, targets.flatten())
    return loss


def set_rates(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    """Scale every group's peak learning rate by `rate`."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * rate


def unsynchronised(trained: nn.Module):
    """Where gradients stay local to the process, for all but the last part of a step."""
    return trained.no_sync() if isinstance(trained, DistributedDataParallel) else nullcontext()
