"""Trains and scores the base with each technique alone, at its default knobs, and prints a table.

    python catalogue/measure.py --data DATA --seed 1 [NAME ...]

DATA is what `prepare.py` wrote. Needs PyYAML besides the problem's requirements.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from techniques import load_all

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "sweep"))

from sweep import measure  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--data", required=True, type=lambda p: Path(p).resolve())
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    chosen = [t for t in load_all() if not args.names or t.name in args.names]
    baseline, seconds = measure(ROOT / "code", args.data, "cpu", args.seed)
    if isinstance(baseline, str):
        sys.exit(f"the baseline fails: {baseline}")
    print(f"| (baseline) | {baseline:.4f} | | {seconds:.1f} |", flush=True)
    for technique in chosen:
        with tempfile.TemporaryDirectory() as folder:
            code = Path(folder) / "code"
            shutil.copytree(ROOT / "code", code)
            technique.apply(code)
            loss, seconds = measure(code, args.data, "cpu", args.seed)
        shown = f"{loss:.4f} | {loss - baseline:+.4f}" if isinstance(loss, float) else f"{loss} |"
        print(f"| {technique.name} | {shown} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
