"""The protocol between the scorer and the model server, over the server's stdin and stdout.

Little-endian, and without self-describing types: the scorer knows the size of every reply, so a
server that was tampered with can send wrong numbers but nothing else.

| request                                  | reply                                              |
|------------------------------------------|----------------------------------------------------|
| (none; sent once at the start)           | HELLO: context T, vocabulary V                     |
| SCORE, rows B, width T + 1, int32 tokens | float32 [B, T], log-probability of each next token |
| SPOT, count N, 2, int32 (row, position)  | float32 [N, V], whole log-distributions of SCORE   |
"""

import struct
from typing import BinaryIO

import numpy as np

HELLO = struct.Struct("<II")
REQUEST = struct.Struct("<cII")
LENGTH = struct.Struct("<Q")
SCORE = b"S"
SPOT = b"P"


class WireError(Exception):
    """The other side closed the pipe or sent something of another size than agreed."""


def read_exactly(pipe: BinaryIO, size: int) -> bytes:
    """`size` bytes from `pipe`, or WireError."""
    data = pipe.read(size)
    if data is None or len(data) != size:
        raise WireError(f"expected {size} bytes, got {len(data or b'')} before the end")
    return data


def send_request(pipe: BinaryIO, kind: bytes, table: np.ndarray) -> None:
    """Ask for something about `table`, a two-dimensional array of integers."""
    rows, width = table.shape
    pipe.write(REQUEST.pack(kind, rows, width))
    pipe.write(np.ascontiguousarray(table, dtype="<i4").tobytes())
    pipe.flush()


def receive_request(pipe: BinaryIO) -> tuple[bytes, np.ndarray] | None:
    """The next request's kind and int64 table; None when the scorer has closed the pipe."""
    header = pipe.read(REQUEST.size)
    if not header:
        return None
    kind, rows, width = REQUEST.unpack(header)
    table = np.frombuffer(read_exactly(pipe, 4 * rows * width), dtype="<i4")
    return kind, table.reshape(rows, width).astype(np.int64)


def send_floats(pipe: BinaryIO, values: np.ndarray) -> None:
    """Reply with float32 values."""
    data = np.ascontiguousarray(values, dtype="<f4").tobytes()
    pipe.write(LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive_floats(pipe: BinaryIO, shape: tuple[int, int]) -> np.ndarray:
    """A reply of exactly `shape`, or WireError."""
    size = 4 * shape[0] * shape[1]
    (announced,) = LENGTH.unpack(read_exactly(pipe, LENGTH.size))
    if announced != size:
        raise WireError(f"expected {size} bytes of numbers, the server announced {announced}")
    return np.frombuffer(read_exactly(pipe, size), dtype="<f4").reshape(shape)
