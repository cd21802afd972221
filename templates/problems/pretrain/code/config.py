"""Hyper-parameters. The defaults are the cpu scale's; the GPU scales state where they differ.

What the scales set differently is changed in `adjusted`, the rest in the defaults of Config: so a
change takes effect at every scale.
"""

from dataclasses import dataclass, replace


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


def adjusted(base: Config) -> Config:
    """`base` with changes in proportion to each scale's own values; here there are none."""
    return replace(
        base,
        layers=whole(base.layers * 1.0),
        width=whole(base.width * 1.0),
        heads=whole(base.heads * 1.0),
        context=whole(base.context * 1.0),
        batch=whole(base.batch * 1.0),
        init_std=base.init_std * 1.0,
        learning_rate=base.learning_rate * 1.0,
    )


def whole(value: float) -> int:
    """The nearest whole number above 0."""
    return max(1, round(value))


def for_scale(name: str) -> Config:
    """The hyper-parameters for a scale."""
    return adjusted({"cpu": Config, "gpu1": gpu1, "h100x8": h100x8}[name]())
