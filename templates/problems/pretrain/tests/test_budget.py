"""The work meter counts, assumes, counts again, and stops."""

import torch

from budget import MEAN_GAP, WorkMeter
from scale import Budget

CPU = torch.device("cpu")


def flops_of_product(size: int) -> float:
    return 2.0 * size**3


def multiply(size: int) -> None:
    torch.mm(torch.ones(size, size), torch.ones(size, size))


def meter_of(amount: float) -> WorkMeter:
    return WorkMeter(Budget("flops", amount), device=CPU)


def test_counts_the_products_of_a_step():
    meter = meter_of(1e9)
    with meter.step("a"):
        multiply(8)
        multiply(8)
    assert meter.flops == 2 * flops_of_product(8)
    assert meter.steps == 1


def test_stops_before_the_step_that_would_exceed_the_budget():
    meter = meter_of(10.5 * flops_of_product(8))
    while not meter.exhausted:
        with meter.step("a"):
            multiply(8)
    assert meter.steps == 10
    assert 0.9 < meter.progress < 1


def test_each_shape_has_its_own_cost():
    meter = meter_of(1e9)
    for size in (8, 16, 8, 16):
        with meter.step(size):
            multiply(size)
    assert meter.flops == 2 * flops_of_product(8) + 2 * flops_of_product(16)


def test_a_cost_that_grows_unannounced_is_charged_back():
    steps = 4 * MEAN_GAP
    meter = meter_of(1e12)
    with meter.step("a"):
        multiply(8)
    for _ in range(steps):
        with meter.step("a"):
            multiply(16)
    assert meter.flops >= (steps - 2 * MEAN_GAP) * flops_of_product(16)
    honest = steps * flops_of_product(16) + flops_of_product(8)
    assert meter.flops <= honest


def test_a_step_limit_stretches_progress():
    meter = WorkMeter(Budget("flops", 1e12), device=CPU, max_steps=4)
    seen = []
    while not meter.exhausted:
        with meter.step("a"):
            multiply(8)
        seen.append(meter.progress)
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_a_budget_of_seconds_runs_from_the_given_start():
    times = iter([104.0, 111.0])
    budget = Budget("wall_seconds", 10)
    meter = WorkMeter(budget, device=CPU, started=100.0, clock=lambda: next(times))
    with meter.step("a"):
        pass
    assert (meter.progress, meter.exhausted) == (0.4, False)
    with meter.step("a"):
        pass
    assert (meter.progress, meter.exhausted) == (1.0, True)
