"""Every technique applies to the base, and any two apply together or say why not."""

import ast
import importlib
import random
import runpy
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from techniques import FOLDER, PLACEHOLDER, Conflict, Technique, load_all

import scale as scales

CODE = Path(__file__).resolve().parent.parent / "code"
EDITABLE = {"config.py", "model.py", "optimizer.py", "schedule.py", "loader.py", "train.py"}
CATEGORIES = {
    *("optimizer", "schedule", "architecture", "batch"),
    *("initialisation", "regularisation", "averaging"),
}
TECHNIQUES = load_all()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    copy = tmp_path / "code"
    shutil.copytree(CODE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def parse_all(code: Path) -> None:
    for path in code.glob("*.py"):
        ast.parse(path.read_text(), path.name)


def test_there_are_enough_of_every_category():
    assert len(TECHNIQUES) >= 34
    assert {technique.category for technique in TECHNIQUES} == CATEGORIES


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda t: t.name)
def test_a_file_is_well_formed(technique: Technique):
    assert (FOLDER / f"{technique.name}.yaml").is_file()
    assert technique.kind in {"algorithmic", "hyper-parameter"}
    assert technique.hypothesis.strip()
    assert technique.source.strip()
    used = set()
    for edit in technique.edits:
        new = "write" in edit
        assert set(edit) == ({"path", "write"} if new else {"path", "find", "replace"})
        assert (edit["path"] in EDITABLE) != new
        assert not (new and (CODE / edit["path"]).exists())
        assert not PLACEHOLDER.search(edit.get("find", ""))
        used.update(PLACEHOLDER.findall(edit.get("write", "") + edit.get("replace", "")))
    assert used == {knob["name"] for knob in technique.knobs}
    for knob in technique.knobs:
        assert knob["default"] in knob["values"]
        assert len(knob["values"]) >= 2


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda t: t.name)
def test_every_value_of_every_knob_applies_and_parses(technique: Technique, base: Path):
    for values in technique.variants():
        code = base.with_name("variant")
        shutil.copytree(base, code)
        technique.apply(code, values)
        parse_all(code)
        changed = [p for p in code.glob("*.py") if not same(p, base / p.name)]
        assert changed, f"{values} changes nothing"
        shutil.rmtree(code)


def same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_text() == other.read_text()


SETTINGS = [t for t in TECHNIQUES if any(e["path"] == "config.py" for e in t.edits)]


@pytest.mark.parametrize("technique", SETTINGS, ids=lambda t: t.name)
def test_a_setting_takes_effect_and_is_allowed_at_every_scale(technique: Technique, base: Path):
    for values in technique.variants():
        code = base.with_name("variant")
        shutil.copytree(base, code)
        technique.apply(code, values)
        for name in scales.names():
            before, after = (config_of(folder, name) for folder in (base, code))
            assert after != before, f"{values} changes nothing at scale {name}"
            scale = scales.load(name)
            assert after["context"] <= scale.evaluation.max_context
            assert after["batch"] % (scale.world_size * after["accumulate"]) == 0
            assert after["width"] % after["heads"] == 0
        shutil.rmtree(code)


def config_of(code: Path, scale: str) -> dict[str, Any]:
    """The hyper-parameters that `code` trains with at `scale`."""
    namespace = runpy.run_path(str(code / "config.py"))
    return asdict(namespace["for_scale"](scale))


@pytest.mark.parametrize(
    ("name", "settings"),
    {
        "learning-rate": {"learning_rate": 6e-3},
        "batch-size": {"batch": 4},
        "context-length": {"context": 64},
        "heads": {"heads": 2},
        "init-scale": {"init_std": 0.06},
        "depth-for-width": {"layers": 3, "width": 48},
    }.items(),
)
def test_a_factor_means_at_the_cpu_scale_what_was_measured(
    name: str, settings: dict[str, float], base: Path
):
    before = config_of(base, "cpu")
    next(t for t in TECHNIQUES if t.name == name).apply(base)
    assert config_of(base, "cpu") == {**before, **settings}


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda t: t.name)
def test_it_trains_and_predicts_from_the_past_only(
    technique: Technique, base: Path, data: Path, monkeypatch: pytest.MonkeyPatch
):
    technique.apply(base)
    for path in [*CODE.glob("*.py"), *base.glob("*.py")]:
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.syspath_prepend(base)
    config, job, model, train = map(importlib.import_module, ("config", "job", "model", "train"))
    scale = importlib.import_module("scale").load("cpu")
    device = job.settle(scale)
    meter = importlib.import_module("budget").WorkMeter(scale.budget, device=device, max_steps=2)
    losses = []
    checkpoint = base / "checkpoint.pt"
    report = lambda _, loss: losses.append(loss)  # noqa: E731
    train.train(job.Job(scale, 1, data / "train", checkpoint, device, 0, 1, meter, report))
    assert torch.stack(losses).isfinite().all()

    saved = torch.load(checkpoint, weights_only=True)
    trained = model.build(config.Config(**saved["config"]))
    trained.load_state_dict(saved["model"])
    tokens = torch.randint(256, (2, saved["config"]["context"]))
    later = tokens.clone()
    later[:, -1] += 1
    past, again = (trained.eval()(t % 256)[:, :-1] for t in (tokens, later))
    assert torch.allclose(past, again, atol=1e-4)


def test_most_pairs_compose_and_the_others_conflict_cleanly(base: Path):
    choose = random.Random(0)
    composed = 0
    for number in range(200):
        code = base.with_name(f"pair{number}")
        shutil.copytree(base, code)
        try:
            for technique in choose.sample(TECHNIQUES, 2):
                technique.apply(code)
            parse_all(code)
            composed += 1
        except Conflict as conflict:
            assert "find text" in str(conflict)
        shutil.rmtree(code)
    assert composed >= 160
