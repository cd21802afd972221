"""AdamW, with weight decay on matrices only."""

import torch
from torch import nn

from config import Config


def build_optimizers(model: nn.Module, config: Config) -> list[torch.optim.Optimizer]:
    """The optimizers that together own every parameter of `model`.

    Each parameter group names its peak learning rate `peak`; the schedule scales from it.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for _, p in named if p.dim() >= 2]
    vectors = [p for _, p in named if p.dim() < 2]
    rate = config.learning_rate
    groups = [
        {"params": matrices, "peak": rate, "weight_decay": config.weight_decay},
        {"params": vectors, "peak": rate, "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=rate, betas=(config.beta1, config.beta2), fused=True)
    return [adamw]
