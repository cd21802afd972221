"""The baselines of all scales fit their scale files."""

import pytest
import torch

import scale as scales
from config import for_scale
from model import build


@pytest.mark.parametrize("name", scales.names())
def test_a_config_fits_its_scale(name: str):
    scale, config = scales.load(name), for_scale(name)
    assert config.vocabulary == scale.vocabulary
    assert config.context <= scale.evaluation.max_context
    assert config.batch % (scale.world_size * config.accumulate) == 0
    assert config.width % config.heads == 0


def test_the_largest_scale_is_gpt2_small():
    with torch.device("meta"):
        model = build(for_scale("h100x8"))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(124e6, rel=0.01)


def test_logits_at_first_are_nearly_uniform():
    config = for_scale("h100x8")
    config = type(config)(vocabulary=100, width=64, context=16, init_std=config.init_std)
    torch.manual_seed(0)
    logits = build(config)(torch.randint(100, (2, 16)))
    assert logits.shape == (2, 16, 100)
    assert logits.std() < 0.5


def test_an_unknown_scale_is_refused_by_name():
    with pytest.raises(ValueError, match=r"unknown scale 'tpu'; known: cpu, gpu1, h100x8"):
        scales.load("tpu")
