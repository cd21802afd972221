"""The model server: runs the branch's model for the scorer, which does not trust it.

Speaks the protocol of wire.py. Frozen, but shares its process with the branch's code, so the
scorer checks what it says.
"""

import gc

gc.disable()  # collecting while torch is imported takes a fifth of the time, and frees nothing

import argparse
import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

import scale as scales
import wire
from job import settle


def claim_stdout() -> BinaryIO:
    """Keep the real stdout for replies; whatever the model's code prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def load_model(checkpoint: Path, device: torch.device) -> tuple[torch.nn.Module, int]:
    """The branch's model with the checkpoint's weights, and its context."""
    from config import Config
    from model import build

    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = build(Config(**saved["config"]))
    model.load_state_dict(saved["model"])
    return model.to(device).float().eval(), int(saved["config"]["context"])


@torch.no_grad()
def log_probabilities(model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """[B, T] token ids -> [B, T, V] log-probabilities of each next token."""
    return torch.log_softmax(model(inputs).float(), dim=-1)


def serve(requests: BinaryIO, replies: BinaryIO, model: torch.nn.Module, where: torch.device):
    """Answer until the scorer closes the pipe."""
    current = torch.empty(0)
    while (request := wire.receive_request(requests)) is not None:
        kind, table = request
        numbers = torch.from_numpy(table).to(where)
        if kind == wire.SCORE:
            current = log_probabilities(model, numbers[:, :-1])
            answer = current.gather(-1, numbers[:, 1:, None]).squeeze(-1)
        elif kind == wire.SPOT:
            answer = current[numbers[:, 0], numbers[:, 1]]
        else:
            raise wire.WireError(f"unknown request {kind!r}")
        wire.send_floats(replies, answer.cpu().numpy().astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", required=True, choices=scales.names())
    parser.add_argument("--checkpoint", required=True, type=Path)
    args = parser.parse_args()

    replies = claim_stdout()
    scale = scales.load(args.scale)
    device = settle(scale)
    model, context = load_model(args.checkpoint, device)
    replies.write(wire.HELLO.pack(context, scale.vocabulary))
    replies.flush()
    serve(sys.stdin.buffer, replies, model, device)


if __name__ == "__main__":
    main()
