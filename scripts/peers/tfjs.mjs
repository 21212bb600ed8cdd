// TensorFlow.js, `--backend wasm|cpu`: tfjs-core's Adam over plain variables, which costs less per step than a model's
// trainOnBatch and computes the same. Rows are gathered by the backend from tensors that stay where they are.
import * as peer from './peer.mjs';

const tf = await peer.load('@tensorflow/tfjs-core');
await peer.load('@tensorflow/tfjs-layers'); // registers the gradients
const args = peer.options({ backend: { type: 'string', default: 'wasm' } });
const { batch, sizes, backend } = args;
const packageName = `@tensorflow/tfjs-backend-${backend}`;
await peer.load(packageName);
tf.enableProdMode();
if (!(await tf.setBackend(backend))) peer.refuse(`tfjs cannot start its backend "${backend}" here.`);

const layers = peer.glorotKernels(sizes).map(({ shape, values }) => ({
  kernel: tf.variable(tf.tensor(values, shape)),
  bias: tf.variable(tf.zeros([shape[1]])),
}));
const variables = layers.flatMap(({ kernel, bias }) => [kernel, bias]);
const optimizer = tf.train.adam(peer.LEARNING_RATE, peer.BETA1, peer.BETA2, peer.EPSILON);

/** Mean softmax cross-entropy; `labels` are one-hot rows. */
function lossOf(images, labels) {
  const logits = layers.reduce((x, { kernel, bias }, i) => {
    const activation = i + 1 < layers.length ? 'relu' : 'linear';
    return tf.fused.matMul({ a: x, b: kernel, bias, activation });
  }, images);
  return tf.losses.softmaxCrossEntropy(labels, logits);
}

const data = peer.loadData(args.data);
const images = tf.tensor(data.images, [data.count, peer.PIXELS]);
const labels = tf.tensor(peer.oneHot(data.labels), [data.count, peer.CLASSES]);
const batches = new peer.Batches(data.count, batch);

function step() {
  tf.tidy(() => {
    // A copy: the order is shuffled in place, and a tensor may keep the array it was made of.
    const indices = tf.tensor1d(batches.take().slice(), 'int32');
    const [x, y] = [tf.gather(images, indices), tf.gather(labels, indices)];
    optimizer.minimize(() => lossOf(x, y), false, variables);
  });
  return batch;
}

const few = peer.LOSS_EXAMPLES;
const loss = () => tf.tidy(() => lossOf(tf.slice(images, 0, few), tf.slice(labels, 0, few)).dataSync()[0]);

await peer.repeat(step, args.seconds);
// In Node the wasm backend takes its build without threads (its flag WASM_HAS_MULTITHREAD_SUPPORT is false there).
await peer.serve(
  { name: `tfjs-${backend}`, version: tf.version_core, threads: 1, blas: `own, ${backend}`, flags: peer.engine() },
  step, loss,
);
