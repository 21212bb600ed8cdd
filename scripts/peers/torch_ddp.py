"""PyTorch DistributedDataParallel over gloo: two processes of one thread, half of each mini-batch each; rank 0 drives.

Started once, it starts the other process itself; with `--rank` it is one of two on machines of their own, of which `--leader` is the
address of the first.
"""
import os
import tempfile
from datetime import timedelta

import peer
import torch_common
from torch_common import torch

WORLD = 2
PORT = 29_500
# Rank 1 waits for the next run as long as the other contestants take.
IDLE_LIMIT = timedelta(hours=6)


class Rank:
    """One of the processes. They must make the same number of steps, so rank 0 turns seconds into steps."""

    def __init__(self, rank, args, rendezvous):
        os.environ["GLOO_SOCKET_IFNAME"] = args.interface
        torch.distributed.init_process_group("gloo", rendezvous, IDLE_LIMIT, WORLD, rank)
        torch.set_num_threads(1)
        torch.manual_seed(peer.SEED)
        images, labels = torch_common.load(args.data)
        self.model = torch_common.make_model(args.sizes)
        parallel = torch.nn.parallel.DistributedDataParallel(self.model)
        # The same shuffles on both: rank r takes its part of every mini-batch.
        share = args.batch // WORLD
        batches = peer.Batches(torch.randperm, len(images), share * WORLD)
        whole, batches.take = batches.take, lambda: whole()[rank * share:(rank + 1) * share]
        self.step = torch_common.make_step(parallel, torch_common.make_optimizer(self.model), images, labels, batches)
        self.loss = torch_common.make_loss(self.model, images, labels)
        self.batch = share * WORLD

    def follow(self):
        """Rank 1: makes the steps that rank 0 announces; none is the end."""
        while steps := self.announced(0):
            self.make(steps)

    def announced(self, steps):
        message = torch.tensor(steps)
        torch.distributed.broadcast(message, 0)
        return int(message)

    def make(self, steps):
        for _ in range(steps):
            self.step()
        torch.distributed.barrier()

    def lead(self, steps):
        """Rank 0: makes so many steps with the other; returns the examples."""
        self.make(self.announced(steps))
        return steps * self.batch


def follow(args, rendezvous):
    Rank(1, args, rendezvous).follow()


def main():
    args = peer.options(interface="lo", rank=-1, leader="")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        peer.refuse("This PyTorch is built without gloo.")
    if args.rank == 1:
        follow(args, f"tcp://{args.leader}:{PORT}")
    elif args.rank == 0:
        drive(args, f"tcp://{args.leader}:{PORT}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            rendezvous = f"file://{os.path.join(folder, 'rendezvous')}"
            other = torch.multiprocessing.get_context("spawn").Process(target=follow, args=(args, rendezvous), daemon=True)
            other.start()
            drive(args, rendezvous)
            other.join()


def drive(args, rendezvous):
    rank = Rank(0, args, rendezvous)
    pace = Pace(rank)
    pace.train(args.seconds / 4)
    pace.train(args.seconds)
    peer.ready("torch-ddp", torch.__version__, WORLD, f"gloo, {WORLD} processes of one thread")
    peer.serve(pace.train, rank.loss)
    rank.announced(0)


class Pace:
    """Steps a second, as measured in the run before."""

    def __init__(self, rank):
        self.rank, self.steps_per_second = rank, 20.0

    def train(self, seconds):
        steps = max(1, round(self.steps_per_second * seconds))
        start = peer.time.perf_counter()
        examples = self.rank.lead(steps)
        self.steps_per_second = steps / (peer.time.perf_counter() - start)
        return examples


if __name__ == "__main__":
    main()
