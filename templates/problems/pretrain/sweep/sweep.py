"""Runs settings of the baseline through the real train and evaluate stages, and prints a table.

    python sweep/sweep.py --data DATA learning_rate=2e-3,4e-3 batch=8,16 --seeds 1,2

tries every combination of the values given at scale cpu. DATA is what `prepare.py` wrote. Each
setting is a copy of code/ with those defaults of config.py, which are that scale's, changed.
"""

import argparse
import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent / "code"


def with_settings(folder: Path, settings: dict[str, str]) -> None:
    """Change the defaults of Config in `folder`/config.py."""
    path = folder / "config.py"
    text = path.read_text()
    for name, value in settings.items():
        text, changed = re.subn(rf"(?m)^(    {name}: \w+ = )\S+", rf"\g<1>{value}", text)
        if changed != 1:
            sys.exit(f"config.py has no field {name}")
    path.write_text(text)


def child_seconds() -> float:
    """CPU seconds of all finished child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(code: Path, data: Path, scale: str, seed: int) -> tuple[float | str, float]:
    """Train and evaluate `code`; returns the loss, or why there is none, and training's CPU s."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["AUTORES_UNTRUSTED"] = "[]"  # our own code, so no sandbox

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, script, "--scale", scale, *map(str, arguments)]
        return subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True)

    with tempfile.TemporaryDirectory() as work:
        before = child_seconds()
        trained = run("launch.py", "--seed", seed, "--data", data / "train", "--out", work)
        seconds = child_seconds() - before
        if trained.returncode != 0:
            return trained.stderr.strip().splitlines()[-1], seconds
        checkpoint = Path(work) / "checkpoint.pt"
        found = ("--data", data / "validation", "--checkpoint", checkpoint, "--out", work)
        scored = run("evaluate.py", *found)
        if scored.returncode != 0:
            return scored.stderr.strip() or f"evaluate: exit {scored.returncode}", seconds
        return json.loads((Path(work) / "result.json").read_text())["val_loss"], seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", metavar="FIELD=VALUE,...")
    parser.add_argument("--data", required=True, type=lambda p: Path(p).resolve())
    parser.add_argument("--seeds", default="1")
    args = parser.parse_args()

    choices = [(s.split("=")[0], s.split("=")[1].split(",")) for s in args.settings]
    names = [name for name, _ in choices]
    for values in itertools.product(*(values for _, values in choices)):
        settings = dict(zip(names, values, strict=True))
        with tempfile.TemporaryDirectory() as folder:
            code = Path(folder) / "code"
            shutil.copytree(CODE, code)
            with_settings(code, settings)
            for seed in map(int, args.seeds.split(",")):
                loss, seconds = measure(code, args.data, "cpu", seed)
                shown = f"{loss:.4f}" if isinstance(loss, float) else loss
                told = " ".join(f"{name}={value}" for name, value in settings.items())
                print(f"| {told or 'baseline'} | {seed} | {shown} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
