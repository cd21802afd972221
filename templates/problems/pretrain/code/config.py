"""Hyper-parameters. The defaults are the cpu scale's; the GPU scales state where they differ."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Everything that a model and its training are built from."""

    # Model
    vocabulary: int = 256
    layers: int = 2
    width: int = 64
    heads: int = 4
    context: int = 32  # tokens in a window
    mlp_ratio: float = 4.0  # hidden width of the MLP over the model's
    init_std: float = 0.1

    # Batch
    batch: int = 8  # windows in an optimizer step, over all processes
    accumulate: int = 1  # forward and backward passes a process makes for a step
    bfloat16: bool = False  # matrix products of training in bfloat16

    # Optimizer
    learning_rate: float = 4e-3
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    clip: float = 1.0  # largest norm of the whole gradient

    # Schedule, as shares of the budget and of the learning rate
    warmup: float = 0.05
    final_rate: float = 0.1


def gpu1() -> Config:
    """A small GPT-2 on one GPU."""
    return Config(
        vocabulary=50_304,
        layers=6,
        width=384,
        heads=6,
        context=512,
        init_std=0.02,
        batch=64,
        bfloat16=True,
        learning_rate=1.5e-3,
    )


def h100x8() -> Config:
    """GPT-2 124M on eight GPUs: half a million tokens a step."""
    return Config(
        vocabulary=50_304,
        layers=12,
        width=768,
        heads=12,
        context=1_024,
        init_std=0.02,
        batch=512,
        accumulate=2,
        bfloat16=True,
        learning_rate=1e-3,
    )


def for_scale(name: str) -> Config:
    """The baseline's hyper-parameters for a scale."""
    return {"cpu": Config, "gpu1": gpu1, "h100x8": h100x8}[name]()
