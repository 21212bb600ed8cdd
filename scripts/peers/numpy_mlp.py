"""The network by hand in NumPy: every array allocated once, everything in place, float32; BLAS takes OPENBLAS_NUM_THREADS."""
import math

import numpy as np

import peer


class Network:
    """Dense layers with relu between, softmax cross-entropy, Adam over one flat vector of parameters."""

    def __init__(self, sizes, batch, random):
        count = sum((inputs + 1) * outputs for inputs, outputs in zip(sizes, sizes[1:]))
        self.parameters, self.gradient, self.mean, self.square, self.work = (np.zeros(count, np.float32) for _ in range(5))
        self.weights = self.views(self.parameters, sizes)
        self.gradients = self.views(self.gradient, sizes)
        self.steps = 0
        for kernel, _ in self.weights:
            limit = math.sqrt(6 / sum(kernel.shape))
            kernel[:] = random.uniform(-limit, limit, kernel.shape)
        self.activations = [np.empty((batch, size), np.float32) for size in sizes]
        self.deltas = [np.empty((batch, size), np.float32) for size in sizes]
        self.column = np.empty((batch, 1), np.float32)
        self.rows = np.arange(batch) * sizes[-1]

    @staticmethod
    def views(flat, sizes):
        """Kernel [in, out] and bias [out] of every layer within a flat vector."""
        views, at = [], 0
        for inputs, outputs in zip(sizes, sizes[1:]):
            kernel_end = at + inputs * outputs
            views.append((flat[at:kernel_end].reshape(inputs, outputs), flat[kernel_end:kernel_end + outputs]))
            at = kernel_end + outputs
        return views

    def forward(self, activations):
        """From activations[0] to the logits in activations[-1]."""
        for i, (kernel, bias) in enumerate(self.weights):
            out = np.dot(activations[i], kernel, out=activations[i + 1])
            out += bias
            if i + 1 < len(self.weights):
                np.maximum(out, 0, out=out)

    def train(self, images, labels, indices):
        batch, a = len(indices), self.activations
        # mode="clip": with the default, take copies through a buffer to undo itself on a bad index.
        np.take(images, indices, axis=0, out=a[0], mode="clip")
        self.forward(a)
        delta = self.softmax(a[-1], self.column)
        delta.reshape(-1)[self.rows + labels[indices]] -= 1
        delta *= np.float32(1 / batch)
        for i in reversed(range(len(self.weights))):
            kernel_gradient, bias_gradient = self.gradients[i]
            np.dot(a[i].T, delta, out=kernel_gradient)
            np.add.reduce(delta, axis=0, out=bias_gradient)
            if i > 0:
                before = np.dot(delta, self.weights[i][0].T, out=self.deltas[i])
                # Behind a relu the sign is its derivative.
                before *= np.sign(a[i], out=a[i])
                delta = before
        self.update()
        return batch

    @staticmethod
    def softmax(logits, column):
        """In place."""
        np.maximum.reduce(logits, axis=1, keepdims=True, out=column)
        logits -= column
        np.exp(logits, out=logits)
        np.add.reduce(logits, axis=1, keepdims=True, out=column)
        logits /= column
        return logits

    def update(self):
        """Adam, with both bias corrections in two scalars: rate * mhat / (sqrt(vhat) + epsilon)."""
        self.steps += 1
        root = math.sqrt(1 - peer.BETA2**self.steps)
        rate = peer.LEARNING_RATE * root / (1 - peer.BETA1**self.steps)
        g, m, v, t = self.gradient, self.mean, self.square, self.work
        m *= np.float32(peer.BETA1)
        np.multiply(g, np.float32(1 - peer.BETA1), out=t)
        m += t
        v *= np.float32(peer.BETA2)
        np.multiply(g, g, out=g)
        g *= np.float32(1 - peer.BETA2)
        v += g
        np.sqrt(v, out=t)
        t += np.float32(peer.EPSILON * root)
        np.divide(m, t, out=t)
        t *= np.float32(rate)
        self.parameters -= t

    def loss(self, images, labels):
        activations = [images] + [np.empty((len(images), kernel.shape[1]), np.float32) for kernel, _ in self.weights]
        self.forward(activations)
        probabilities = self.softmax(activations[-1], np.empty((len(images), 1), np.float32))
        return float(-np.log(probabilities[np.arange(len(images)), labels]).mean())


def main():
    args = peer.options()
    random = np.random.RandomState(peer.SEED)
    images, labels = peer.load(args.data)
    network = Network(args.sizes, args.batch, random)
    batches = peer.Batches(random.permutation, len(images), args.batch)

    def train(seconds):
        return peer.Clock.repeat(lambda: network.train(images, labels, batches.take()), seconds)

    few = slice(peer.LOSS_EXAMPLES)
    train(args.seconds)
    threads = int(peer.os.environ.get("OPENBLAS_NUM_THREADS", "0")) or peer.os.cpu_count()
    peer.ready("numpy", np.__version__, threads, "")
    peer.serve(train, lambda: network.loss(images[few], labels[few]))


if __name__ == "__main__":
    main()
