"""What the Python peers of the benchmark share: options, data, and the protocol (see scripts/bench/harness.ts).

Reads `--model mlp|mlp-wide --batch N --data FOLDER [--seconds S]`; S is the length of the warm-up.
"""
import argparse
import ctypes
import gzip
import json
import os
import sys
import time

LAYER_SIZES = {"mlp": [784, 100, 10], "mlp-wide": [784, 512, 512, 10]}
DEFAULT_BATCH = {"mlp": 128, "mlp-wide": 256}
LEARNING_RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-7
# The loss that a run reports: the mean over this many examples, after the clock has stopped.
LOSS_EXAMPLES = 1024
SEED = 1


def refuse(sentence):
    """This peer cannot run here: one sentence on standard error, nothing on standard output."""
    sys.exit(sentence)


try:
    import numpy
except ImportError:
    refuse("NumPy is not installed for this Python.")


def options(**extra):
    """Command line of a peer; `extra` are further options by name, with their defaults."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=LAYER_SIZES, default="mlp")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--data", required=True)
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parsed = parser.parse_args()
    parsed.batch = parsed.batch or DEFAULT_BATCH[parsed.model]
    parsed.sizes = LAYER_SIZES[parsed.model]
    return parsed


def load(folder):
    """Images as float32 in [0, 1] of shape [60000, 784], labels as int64 [60000]."""
    images = read_idx(os.path.join(folder, "train-images-idx3-ubyte.gz"), header_bytes=16).reshape(-1, 784)
    labels = read_idx(os.path.join(folder, "train-labels-idx1-ubyte.gz"), header_bytes=8)
    return images.astype(numpy.float32) / numpy.float32(255), labels.astype(numpy.int64)


def read_idx(path, header_bytes):
    try:
        with gzip.open(path) as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=header_bytes)
    except OSError as error:
        refuse(f"The data cannot be read: {error}.")


def blas():
    """Release, core and threads of the OpenBLAS that this process has loaded; `unknown` where it is another library."""
    for path in loaded_libraries("blas"):
        library = ctypes.CDLL(path)
        # NumPy's wheels carry an OpenBLAS whose names have a prefix and, for 64-bit indices, a suffix.
        for prefix, suffix in (("", ""), ("scipy_", ""), ("scipy_", "64_")):
            get = [getattr(library, f"{prefix}openblas_get_{name}{suffix}", None) for name in ("config", "corename", "num_threads")]
            if None not in get:
                config, core, threads = get
                config.restype = core.restype = ctypes.c_char_p
                return f"{' '.join(config().decode().split()[:2])} {core().decode()} x{threads()}"
    return "unknown"


def loaded_libraries(word):
    """Paths of the shared libraries in this process whose file name has this word in it."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split()[-1] for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(path for path in paths if word in os.path.basename(path) and ".so" in path)


def environment(*names):
    """The settings that a row of the table has to name."""
    return " ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ)


def answer(message):
    print(json.dumps(message), flush=True)


def ready(name, version, threads, flags):
    answer({"ready": True, "name": name, "version": version, "threads": threads, "blas": blas(), "flags": flags})


def serve(train, loss):
    """Answers every `{"run": seconds}` until `{"quit": true}` or the end of the input.

    train(seconds) -> examples trained on; loss() -> mean loss over the first LOSS_EXAMPLES examples.
    """
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("quit"):
            return
        start = time.perf_counter()
        examples = train(request["run"])
        seconds = time.perf_counter() - start
        answer({"examplesPerSecond": examples / seconds, "examples": examples, "seconds": seconds, "loss": loss()})


class Clock:
    """Runs `step` until the time is over."""

    @staticmethod
    def repeat(step, seconds):
        end, examples = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            examples += step()
        return examples


class Batches:
    """Indices of shuffled mini-batches, for ever; a rest smaller than a batch is dropped, so shapes never change."""

    def __init__(self, permutation, count, batch):
        self.permutation, self.count, self.batch = permutation, count, batch
        self.order, self.next = permutation(count), 0

    def take(self):
        if self.next + self.batch > self.count:
            self.order, self.next = self.permutation(self.count), 0
        indices = self.order[self.next:self.next + self.batch]
        self.next += self.batch
        return indices
