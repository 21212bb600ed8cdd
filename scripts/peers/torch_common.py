"""The model, the step and the version text of all PyTorch peers."""
import peer

try:
    import torch
except ImportError:
    peer.refuse("PyTorch is not installed for this Python.")


def make_model(sizes):
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layers += ([torch.nn.ReLU()] if i else []) + [torch.nn.Linear(inputs, outputs)]
    return torch.nn.Sequential(*layers)


def make_optimizer(model):
    return torch.optim.Adam(model.parameters(), peer.LEARNING_RATE, (peer.BETA1, peer.BETA2), peer.EPSILON)


def load(folder):
    images, labels = peer.load(folder)
    return torch.from_numpy(images), torch.from_numpy(labels)


def make_step(model, optimizer, images, labels, batches):
    """One mini-batch: gather, forward, backward, Adam. Returns its examples."""
    criterion = torch.nn.functional.cross_entropy

    def step():
        indices = batches.take()
        optimizer.zero_grad(set_to_none=True)
        criterion(model(images.index_select(0, indices)), labels.index_select(0, indices)).backward()
        optimizer.step()
        return len(indices)

    return step


def make_loss(model, images, labels):
    def loss():
        with torch.no_grad():
            few = slice(peer.LOSS_EXAMPLES)
            return torch.nn.functional.cross_entropy(model(images[few]), labels[few]).item()

    return loss
