"""The scorer's side of a model server: starts it, asks, and ends it with all that it started."""

import subprocess
import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np
import processes

import wire

LAST_LINES = 20
LINE_BYTES = 2000
PATIENCE = 5
"""Seconds for a server to end, and for its last lines to arrive, once it broke."""


class ServerError(Exception):
    """The server gave no usable answer.

    Its last lines of stderr are in the message only if no server was sent a validation token yet:
    what it writes afterwards may repeat them, and the message goes to who wrote its code.
    """


class Server:
    """One model server, in a session of its own; killed on exit or after `seconds` of wall clock.

    On exit it returns only when nothing that the server started is left. One at a time: ending a
    server ends all that runs below this process.
    """

    def __init__(self, command: list[str], seconds: float, *, is_blind: bool) -> None:
        """`is_blind`: no server of this checkpoint was sent a request before."""
        self.vocabulary = 0
        self._is_blind = is_blind
        self._seconds = seconds
        self._late = False
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        except OSError as error:
            raise ServerError(f"cannot start the model server: {error}") from error
        self._in = cast(BinaryIO, self._process.stdin)
        self._out = cast(BinaryIO, self._process.stdout)
        self._err = cast(BinaryIO, self._process.stderr)
        self._lines: deque[bytes] = deque(maxlen=LAST_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._alarm = threading.Timer(seconds, self._expire)
        self._alarm.daemon = True
        self._alarm.start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.cancel()
        with suppress(OSError):
            self._in.close()  # reaches the server also where a prefix stands between
        try:
            processes.end_all(self._process.pid)
        except processes.Survivors as survivors:
            raise ServerError(f"cannot end the model server: {survivors}") from survivors
        self._process.wait()

    def greet(self, vocabulary: int, max_context: int) -> int:
        """Wait until the model is loaded; returns the context it asks for, in tokens."""
        try:
            hello = wire.read_exactly(self._out, wire.HELLO.size)
        except wire.WireError as error:
            raise self._broken(error) from error
        context, self.vocabulary = wire.HELLO.unpack(hello)
        if not 1 <= context <= max_context or self.vocabulary != vocabulary:
            raise ServerError(
                f"the model's context is {context} and its vocabulary {self.vocabulary};"
                f" this scale allows a context of 1 to {max_context}, vocabulary {vocabulary}"
            )
        return context

    def score(self, rows: np.ndarray) -> np.ndarray:
        """[B, T + 1] tokens -> [B, T] log-probability of each row's next tokens."""
        return self._ask(wire.SCORE, rows, (rows.shape[0], rows.shape[1] - 1))

    def spots(self, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """[N] rows of the last score and positions in them -> [N, V] log-distributions there."""
        table = np.stack([rows, positions], axis=1)
        return self._ask(wire.SPOT, table, (len(table), self.vocabulary))

    def _ask(self, kind: bytes, table: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        self._is_blind = False
        try:
            wire.send_request(self._in, kind, table)
            return wire.receive_floats(self._out, shape)
        except (wire.WireError, OSError) as error:
            raise self._broken(error) from error

    def _broken(self, cause: Exception) -> ServerError:
        limit = f"took longer than {self._seconds:.0f} s"
        if not self._is_blind:
            # The cause too holds numbers that the server chose.
            reason = limit if self._late else f"failed ({self._ending()})"
            unseen = "what it wrote is not shown, since it may hold validation text"
            return ServerError(f"the model server {reason}; {unseen}")
        reason = limit if self._late else f"failed ({cause})"
        processes.kill_all(self._process.pid)
        self._listener.join(timeout=PATIENCE)
        lines = b"\n".join(self._lines).decode(errors="replace").strip()
        last = f"its last lines on stderr:\n{lines}" if lines else "it wrote nothing to stderr"
        return ServerError(f"the model server {reason}; {last}")

    def _ending(self) -> str:
        """How it ended by itself, without a word of its own."""
        try:
            status = self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return "it answered something else than it was asked"
        finally:
            processes.kill_all(self._process.pid)
        return f"exit status {status}" if status >= 0 else f"ended by signal {-status}"

    def _listen(self) -> None:
        while line := self._err.readline(LINE_BYTES):
            self._lines.append(line.rstrip())

    def _expire(self) -> None:
        self._late = True
        processes.kill_all(self._process.pid)
