"""The counted-work budget: says to a training loop when it is spent.

FLOPs are what `torch.utils.flop_counter` sees: matrix products, convolutions and attention, forward
and backward, and whatever the optimizer multiplies. Element-wise work is not seen, nor is anything
that a training loop does outside of a step.

It counts what goes through it and nothing else: it lives in the process of the branch's code, which
could go around it or change its numbers. The limits on CPU and wall seconds, set from outside,
bound what the count misses.
"""

import random
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.utils.flop_counter import FlopCounterMode

from scale import Budget

MEAN_GAP = 24
"""Steps between two counts of one shape. Counting a step doubles its time, so this costs 4%."""


class WorkMeter:
    """Meters training steps against a budget.

    Every step with a shape key not seen before is counted; afterwards the key's cost is assumed,
    and measured again at irregular gaps, so that no periodic cost can hide between two counts.
    A cost that turns out higher is charged back to the steps since the last count.

    With several processes, all of them must pass the same key at the same step.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        device: torch.device,
        max_steps: int | None = None,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`started`, in the time of `clock`, is when a budget of wall seconds began; else now."""
        self.steps = 0
        self.flops = 0.0
        """Counted so far, over all processes. Stays 0 under a budget of wall seconds."""
        self._budget = budget
        self._device = device
        self._max_steps = max_steps
        self._clock = clock
        self._started = clock() if started is None else started
        self._elapsed = 0.0
        self._last_cost = 0.0
        self._cost: dict[Hashable, float] = {}
        self._assumed: dict[Hashable, int] = {}
        self._countdown: dict[Hashable, int] = {}
        self._gaps = random.Random(0)

    @property
    def exhausted(self) -> bool:
        """Whether another step like the last would exceed the budget."""
        if self._max_steps is not None and self.steps >= self._max_steps:
            return True
        if self._budget.kind == "wall_seconds":
            return self._elapsed >= self._budget.amount
        return self.flops + self._last_cost > self._budget.amount

    @property
    def progress(self) -> float:
        """The share of the budget that is spent, in [0, 1]."""
        spent = self._elapsed if self._budget.kind == "wall_seconds" else self.flops
        share = spent / self._budget.amount
        if self._max_steps is not None:
            share = max(share, self.steps / self._max_steps)
        return min(share, 1.0)

    @contextmanager
    def step(self, shape_key: Hashable) -> Iterator[None]:
        """Charge the body as one optimizer step.

        `shape_key` must differ between steps of different cost: the shape of the batch, and
        whatever else the cost depends on.
        """
        if self._budget.kind == "wall_seconds":
            yield from self._timed()
        elif self._countdown.get(shape_key, 0) > 0:
            yield
            self._countdown[shape_key] -= 1
            self._assumed[shape_key] += 1
            self._charge(self._cost[shape_key])
        else:
            with FlopCounterMode(display=False) as counter:
                yield
            self._recount(shape_key, self._over_all_processes(float(counter.get_total_flops())))
        self.steps += 1

    def _recount(self, key: Hashable, cost: float) -> None:
        owed = max(0.0, cost - self._cost.get(key, cost)) * self._assumed.get(key, 0)
        self.flops += owed
        self._cost[key] = cost
        self._assumed[key] = 0
        self._countdown[key] = self._gaps.randint(1, 2 * MEAN_GAP - 1)
        self._charge(cost)

    def _charge(self, cost: float) -> None:
        self.flops += cost
        self._last_cost = cost

    def _timed(self) -> Iterator[None]:
        yield
        self._elapsed = self._agreed(self._clock() - self._started)

    def _over_all_processes(self, value: float) -> float:
        if not dist.is_initialized():
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self._device)
        dist.all_reduce(total)
        return total.item()

    def _agreed(self, seconds: float) -> float:
        """Rank 0's clock, so that all processes stop at the same step."""
        if not dist.is_initialized():
            return seconds
        shared = torch.tensor(seconds, dtype=torch.float64, device=self._device)
        dist.broadcast(shared, src=0)
        return shared.item()
