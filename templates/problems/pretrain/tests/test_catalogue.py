"""Every technique applies to the base, and any two apply together or say why not."""

import ast
import importlib
import random
import shutil
import sys
from pathlib import Path

import pytest
import torch
from techniques import FOLDER, PLACEHOLDER, Conflict, Technique, load_all

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
