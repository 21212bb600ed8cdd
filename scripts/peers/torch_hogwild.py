"""Hogwild (Niu et al. 2011) as in PyTorch's example: two processes, parameters in shared memory, no locks, an Adam each."""
import peer
import torch_common
from torch_common import torch

WORLD = 2


def make_parts(rank, args, model):
    torch.set_num_threads(1)
    torch.manual_seed(peer.SEED + rank)
    images, labels = torch_common.load(args.data)
    batches = peer.Batches(torch.randperm, len(images), args.batch)
    step = torch_common.make_step(model, torch_common.make_optimizer(model), images, labels, batches)
    return step, torch_common.make_loss(model, images, labels)


def follow(args, model, pipe):
    """The second process: trains as long as it is told to, and answers with its examples; nothing to do is the end."""
    step, _ = make_parts(1, args, model)
    while seconds := pipe.recv():
        pipe.send(peer.Clock.repeat(step, seconds))


def main():
    args = peer.options()
    model = torch_common.make_model(args.sizes)
    model.share_memory()
    context = torch.multiprocessing.get_context("spawn")
    pipe, far_end = context.Pipe()
    other = context.Process(target=follow, args=(args, model, far_end), daemon=True)
    other.start()
    far_end.close()
    step, loss = make_parts(0, args, model)

    def train(seconds):
        pipe.send(seconds)
        return peer.Clock.repeat(step, seconds) + pipe.recv()

    train(args.seconds)
    peer.ready("torch-hogwild", torch.__version__, WORLD, f"{WORLD} processes of one thread, asynchronous")
    peer.serve(train, loss)
    pipe.send(0)
    other.join()


if __name__ == "__main__":
    main()
