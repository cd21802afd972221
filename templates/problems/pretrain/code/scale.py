"""What an experiment must not change: the budget, the data and the evaluation of one scale.

Imports nothing but the standard library, so that the scorer starts fast.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).resolve().parent / "scales"


@dataclass(frozen=True)
class Budget:
    """How much training is paid for: `amount` is FLOPs over all processes, or wall seconds."""

    kind: Literal["flops", "wall_seconds"]
    amount: float


@dataclass(frozen=True)
class Evaluation:
    """Sizes of the scoring; each field's unit is beside its value in the scale's file."""

    tokens: int
    max_context: int
    batch_tokens: int
    spots_per_batch: int
    perturbed_windows: int
    tolerance: float
    seconds: float


@dataclass(frozen=True)
class Scale:
    """One scale file, parsed."""

    name: str
    device: Literal["cpu", "cuda"]
    vocabulary: int
    world_size: int
    threads: int
    deterministic: bool
    source: Literal["stdlib", "shards"]
    budget: Budget
    evaluation: Evaluation


def names() -> list[str]:
    """The scales there are."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Scale:
    """Read scale `name`; raises ValueError that names the known ones if there is none such."""
    if name not in names():
        raise ValueError(f"unknown scale {name!r}; known: {', '.join(names())}")
    fields: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    return Scale(
        name=name,
        source=fields.pop("data")["source"],
        budget=Budget(**fields.pop("budget")),
        evaluation=Evaluation(**fields.pop("evaluation")),
        **fields,
    )
