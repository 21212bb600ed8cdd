// jax-js on its wasm device: gradient and Adam in one jitted function, rows gathered in JavaScript.
import * as peer from './peer.mjs';

const jax = await peer.load('@jax-js/jax');
const { jit, nn, numpy: np, tree, valueAndGrad } = jax;
const args = peer.options();
const { batch, sizes } = args;
await jax.init('wasm');
jax.defaultDevice('wasm');

/** Mean softmax cross-entropy over the rows of `labels` (one-hot). Takes ownership of all, as jax-js wants it. */
function lossOf(layers, images, labels) {
  const rows = labels.shape[0];
  const logits = layers.reduce((x, [kernel, bias], i) => np.matmul(i > 0 ? nn.relu(x) : x, kernel).add(bias), images);
  return nn.logSoftmax(logits).mul(labels).sum().mul(-1 / rows);
}

/** Adam; both bias corrections come as two scalars: rate * mhat / (sqrt(vhat) + epsilon). */
const update = jit((layers, means, squares, images, labels, rate, epsilon) => {
  const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(layers), images, labels);
  loss.dispose();
  const nextMeans = tree.map((m, g) => m.mul(peer.BETA1).add(g.mul(1 - peer.BETA1)), means, tree.ref(gradients));
  const nextSquares = tree.map((v, g) => v.mul(peer.BETA2).add(np.square(g).mul(1 - peer.BETA2)), squares, gradients);
  const nextLayers = tree.map(
    (p, m, v) => p.sub(m.mul(rate.ref).div(np.sqrt(v).add(epsilon.ref))),
    layers, tree.ref(nextMeans), tree.ref(nextSquares),
  );
  rate.dispose();
  epsilon.dispose();
  return [nextLayers, nextMeans, nextSquares];
});
const evaluate = jit(lossOf);

const zeros = () => sizes.slice(1).map((outputs, i) => [np.zeros([sizes[i], outputs]), np.zeros([outputs])]);
let layers = peer.glorotKernels(sizes).map(({ shape, values }) => [np.array(values).reshape(shape), np.zeros([shape[1]])]);
let means = zeros();
let squares = zeros();
let steps = 0;

const { images, labels, count } = peer.loadData(args.data);
const targets = peer.oneHot(labels);
const batches = new peer.Batches(count, batch);
const imageRows = new Float32Array(batch * peer.PIXELS);
const targetRows = new Float32Array(batch * peer.CLASSES);

function gather(from, to, width, indices) {
  for (let i = 0; i < indices.length; i++) to.set(from.subarray(indices[i] * width, (indices[i] + 1) * width), i * width);
  return np.array(to).reshape([indices.length, width]);
}

async function step() {
  const indices = batches.take();
  steps++;
  const root = Math.sqrt(1 - peer.BETA2 ** steps);
  const rate = (peer.LEARNING_RATE * root) / (1 - peer.BETA1 ** steps);
  [layers, means, squares] = update(
    layers, means, squares,
    gather(images, imageRows, peer.PIXELS, indices), gather(targets, targetRows, peer.CLASSES, indices),
    np.array(rate), np.array(peer.EPSILON * root),
  );
  await jax.blockUntilReady(layers);
  return batch;
}

async function loss() {
  const few = peer.LOSS_EXAMPLES;
  const x = np.array(images.slice(0, few * peer.PIXELS)).reshape([few, peer.PIXELS]);
  const y = np.array(targets.slice(0, few * peer.CLASSES)).reshape([few, peer.CLASSES]);
  return evaluate(tree.ref(layers), x, y).jsAsync();
}

await peer.repeat(step, args.seconds);
// Its pool needs the browser's Worker, which Node does not have.
const threads = typeof Worker === 'undefined' ? 1 : navigator.hardwareConcurrency;
await peer.serve(
  { name: 'jax-js', version: peer.versionOf('@jax-js/jax'), threads, blas: 'own, wasm', flags: peer.engine() },
  step, loss,
);
