"""Text that is on every machine with Python: the standard library's own source.

Whole modules are held out for validation, chosen so that neither torch nor training imports them
and every CPython since 3.11 has them: a training process works when it cannot read them.
"""

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDER = Path(sysconfig.get_path("stdlib")).resolve()

HELD_OUT = (
    "ftplib.py",
    "imaplib.py",
    "mailbox.py",
    "modulefinder.py",
    "nturl2path.py",
    "optparse.py",
    "poplib.py",
    "sched.py",
    "smtplib.py",
    "tabnanny.py",
    "trace.py",
    "turtle.py",
    "wave.py",
    "wsgiref",
    "xmlrpc",
    "zipapp.py",
)

NOT_TRAINED_ON = frozenset(
    {
        *("__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib"),
        *("lib2to3", "turtledemo", "encodings", "pydoc_data", "lib-dynload", "ensurepip"),
        *("_sysconfigdata", "config", "tkinter", "distutils", "msilib"),
    }
)
"""Tests, tables and generated files; the names of what follows a `-` or `_` prefix not repeated."""

CHUNK = 2048


def sources(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """The Python files that `names` stand for, in a fixed order."""
    for name in sorted(names):
        path = folder / name
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*.py"))
        elif path.is_file():
            yield path


def training_text() -> bytes:
    """The source of all other modules."""
    names = [path.name for path in FOLDER.iterdir()]
    kept = [n for n in names if n not in HELD_OUT and not excluded(n)]
    files = [
        path
        for path in sources(FOLDER, kept)
        if not any(excluded(part) for part in path.relative_to(FOLDER).parts)
    ]
    return b"\n".join(path.read_bytes() for path in files)


def excluded(name: str) -> bool:
    """Whether a file or folder of this name is left out of training."""
    return name in NOT_TRAINED_ON or name.startswith(("_sysconfigdata", "config-", "python"))


def held_out_text() -> bytes:
    """The source of the held-out modules that exist."""
    return b"\n".join(path.read_bytes() for path in sources(FOLDER, HELD_OUT))


def spread(text: bytes, size: int) -> bytes:
    """`size` bytes of `text`: chunks at even distances, so that every module has its share."""
    count = -(-size // CHUNK)
    gap = (len(text) - CHUNK) / max(1, count - 1)
    starts = [round(index * gap) for index in range(count)]
    return b"".join(text[start : start + CHUNK] for start in starts)[:size]


def held_out_files() -> list[Path]:
    """Every file of the held-out modules on this machine, source or compiled.

    Other Pythons have the same modules, so those beside this one, below its prefix and the system's
    count too, and conda's downloads of them.
    """
    found = set(conda_archives())
    for folder in library_folders():
        for name in HELD_OUT:
            path = folder / name
            if path.is_dir() or path.is_file():
                found.add(path)
            found.update((folder / "__pycache__").glob(f"{path.stem}.*.pyc"))
    return sorted(found)


def library_folders() -> list[Path]:
    """Standard library folders of this Python and of others in the usual places."""
    beside = Path(sys.base_prefix).resolve().parent
    patterns = [(beside, "*/lib/python3*"), (Path("/usr"), "lib*/python3*")]
    patterns.append((Path("/usr/local"), "lib*/python3*"))
    for root in prefixes():
        # No deeper than conda's pkgs/python-3*/lib and envs/*/lib, so that the search stays short.
        patterns.extend((root, f"{below}lib*/python3*") for below in ("", "*/", "*/*/"))
    folders = {FOLDER}
    for root, pattern in patterns:
        folders.update(path.resolve() for path in root.glob(pattern) if path.is_dir())
    return sorted(folders)


def conda_archives() -> list[Path]:
    """Packed Pythons that conda keeps once it has unpacked them."""
    return [path for root in prefixes() for path in root.glob("pkgs/python-3*") if path.is_file()]


def prefixes() -> list[Path]:
    """Where this Python is installed, and the conda installation if that is one of its `envs`."""
    own = Path(sys.base_prefix).resolve()
    return [own, own.parent.parent] if own.parent.name == "envs" else [own]
