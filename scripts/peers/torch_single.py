"""PyTorch in one process, with `--threads` threads of its own (OpenMP); BLAS takes OPENBLAS_NUM_THREADS."""
import peer
import torch_common
from torch_common import torch


def main():
    args = peer.options(threads=1)
    torch.set_num_threads(args.threads)
    torch.manual_seed(peer.SEED)
    images, labels = torch_common.load(args.data)
    model = torch_common.make_model(args.sizes)
    batches = peer.Batches(torch.randperm, len(images), args.batch)
    step = torch_common.make_step(model, torch_common.make_optimizer(model), images, labels, batches)
    peer.Clock.repeat(step, args.seconds)
    peer.ready("torch", torch.__version__, torch.get_num_threads(),
               peer.environment("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"))
    peer.serve(lambda seconds: peer.Clock.repeat(step, seconds), torch_common.make_loss(model, images, labels))


if __name__ == "__main__":
    main()
