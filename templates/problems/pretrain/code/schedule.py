"""The learning rate over a run."""

import math

from config import Config


def multiplier(progress: float, config: Config) -> float:
    """What to multiply peak learning rates with when `progress` in [0, 1] of the budget is spent.

    Linear warm-up from nearly 0, then half a cosine from 1 down to the final rate.
    """
    if progress < config.warmup:
        return max(progress, 1e-3) / config.warmup
    through = (progress - config.warmup) / (1 - config.warmup)
    falling = 0.5 * (1 + math.cos(math.pi * through))
    return config.final_rate + (1 - config.final_rate) * falling
