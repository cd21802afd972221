"""Ends a child and all that it started, also what left its session. Starts nothing.

For a process whose only children are what it wants to end: on Linux it becomes the parent of every
orphan below it, and collects them all.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""

PATIENCE = 20.0
"""Seconds after which a killed process counts as one that the kernel cannot end."""


class Survivors(Exception):  # noqa: N818
    """Processes are left although they were killed."""


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none gets out of reach."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot adopt orphaned processes")


def end_all(session: int) -> None:
    """Return when neither a process of `session` nor a child of this process is left."""
    deadline = time.monotonic() + PATIENCE
    while kill_all(session) or has_children():
        if time.monotonic() > deadline:
            raise Survivors(f"processes of session {session} are still there {PATIENCE:.0f} s on")
        time.sleep(0.005)


def kill_all(session: int) -> bool:
    """Kill the processes of `session` and those below this one; whether any was seen."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)
    found = running(session)
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def has_children() -> bool:
    """Collect the children that ended; whether others are left. The kernel's word, so no race."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
        return True
    return False


def running(session: int) -> list[int]:
    """Processes of `session` and all below this one, as /proc shows them; none where it is not."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in brackets and may hold anything, brackets too.
            state, parent, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if state not in "ZX":
                parents[int(stat.parent.name)] = int(parent)
                if int(its_session) == session:
                    found.add(int(stat.parent.name))
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(found | below - {os.getpid()})
