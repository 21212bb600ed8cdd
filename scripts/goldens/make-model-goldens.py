#!/usr/bin/env python3
"""Writes test/golden/models.json: outputs, losses and gradients of small models, and a 30-step Adam run, in float64.

    /usr/bin/python3 scripts/goldens/make-model-goldens.py [--out FILE]

The models are described in plain JSON, computed here with PyTorch's float64 tensors and autograd, and built from the same
description with tfjs-layers by test/golden/format.ts. Weights are in the layout of tfjs (dense kernel [in, out]). Weights,
inputs and labels are multiples of a power of two, so that float32 holds them exactly.

Losses follow Keras: rows of probabilities are divided by their sum, then clipped to [1e-7, 1 - 1e-7]. The limits are the
float32 numbers nearest to these: Keras clips in float32, where 1 - 1e-7 is 1 - 2^-23, and the loss of a wrong certain
answer depends on that difference (15.94, not 16.12).
"""
import argparse
import json
import math
import os

import numpy
import torch

SEED = 20240611
SIGNIFICANT_DIGITS = 12
CLIP_LOW = float(numpy.float32(1e-7))
CLIP_HIGH = float(numpy.float32(1 - 1e-7))
# Between these, float32 and float64 could fall on different sides of a limit of the clip: no golden may have such a value.
UNSURE_BELOW = (0.9e-7, 1.1e-7)
UNSURE_ABOVE = (1 - 2.3e-7, 1 - 1.2e-8)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_OUT = os.path.join(ROOT, "test", "golden", "models.json")

random = numpy.random.RandomState(SEED)


def grid(values, step):
    """The nearest multiples of `step`, a power of two."""
    return numpy.round(numpy.asarray(values, dtype=numpy.float64) / step) * step


# ---- layers -------------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "linear": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "softmax": lambda x: torch.softmax(x, dim=-1),
}


def dense(units, activation="linear", use_bias=True, l1=0.0, l2=0.0):
    layer = {"type": "dense", "units": units, "activation": activation, "useBias": use_bias}
    if l1 or l2:
        layer["kernelRegularizer"] = {"l1": l1, "l2": l2}
    return layer


def activation(name):
    return {"type": "activation", "activation": name}


def reshape(*shape):
    return {"type": "reshape", "targetShape": list(shape)}


FLATTEN = {"type": "flatten"}
ADD = {"type": "add"}
RELU = {"type": "reLU"}
ELU = {"type": "elu"}
SOFTMAX = {"type": "softmax"}
LEAKY_RELU = {"type": "leakyReLU", "alpha": 0.3}


def apply_layer(layer, inputs, weights):
    kind, x = layer["type"], inputs[0]
    if kind == "dense":
        y = x @ weights["kernel"]
        return ACTIVATIONS[layer["activation"]](y + weights["bias"] if layer["useBias"] else y)
    if kind == "activation":
        return ACTIVATIONS[layer["activation"]](x)
    if kind == "flatten":
        return x.reshape(x.shape[0], -1)
    if kind == "reshape":
        return x.reshape([x.shape[0]] + layer["targetShape"])
    if kind == "add":
        return sum(inputs[1:], x)
    if kind == "leakyReLU":
        return torch.nn.functional.leaky_relu(x, layer["alpha"])
    return ACTIVATIONS[{"reLU": "relu", "elu": "elu", "softmax": "softmax"}[kind]](x)


def output_shape(layer, shape):
    """Shape of an example after a layer."""
    if layer["type"] == "dense":
        return shape[:-1] + [layer["units"]]
    if layer["type"] == "flatten":
        return [math.prod(shape)]
    return layer["targetShape"] if layer["type"] == "reshape" else shape


# ---- models -------------------------------------------------------------------------------------------------------


def sequential(input_shape, *layers):
    """Layers one after the other, named l0, l1, ..."""
    names = [f"l{i}" for i in range(len(layers))]
    calls = [{"layer": name, "inputs": [names[i - 1] if i else "input"], "output": name} for i, name in enumerate(names)]
    return {"kind": "sequential", "inputShape": list(input_shape),
            "layers": [dict(name=name, **layer) for name, layer in zip(names, layers)], "calls": calls}


def functional(input_shape, layers, *calls):
    """Named layers, and calls (layer, inputs, output) in order; a layer called twice is shared. The last output is the model's."""
    return {"kind": "functional", "inputShape": list(input_shape),
            "layers": [dict(name=name, **layer) for name, layer in layers.items()],
            "calls": [{"layer": layer, "inputs": list(inputs), "output": output} for layer, inputs, output in calls]}


def make_weights(model, scale=1.0, bias_scale=0.25):
    """Random weights for every layer, float32-representable: name of the layer -> name of the weight -> tensor."""
    layers = {layer["name"]: layer for layer in model["layers"]}
    shapes, weights = {"input": model["inputShape"]}, {}
    for call in model["calls"]:
        layer, shape = layers[call["layer"]], shapes[call["inputs"][0]]
        shapes[call["output"]] = output_shape(layer, shape)
        if layer["type"] != "dense" or layer["name"] in weights:
            continue
        fan_in = shape[-1]
        made = {"kernel": random.normal(0, scale / math.sqrt(fan_in), (fan_in, layer["units"]))}
        if layer["useBias"]:
            made["bias"] = random.normal(0, bias_scale, layer["units"])
        weights[layer["name"]] = {key: leaf(value) for key, value in made.items()}
    return weights


def leaf(value, step=1 / 1024):
    return torch.tensor(grid(value, step), dtype=torch.float64, requires_grad=True)


def forward(model, weights, x):
    layers = {layer["name"]: layer for layer in model["layers"]}
    values = {"input": x}
    for call in model["calls"]:
        layer = layers[call["layer"]]
        values[call["output"]] = apply_layer(layer, [values[name] for name in call["inputs"]], weights.get(layer["name"]))
    return values[model["calls"][-1]["output"]]


def penalty(model, weights):
    """L1 and L2 of every layer, once, however often the layer is used."""
    total = torch.zeros((), dtype=torch.float64)
    for layer in model["layers"]:
        regularizer = layer.get("kernelRegularizer")
        if regularizer:
            kernel = weights[layer["name"]]["kernel"]
            total = total + regularizer["l1"] * kernel.abs().sum() + regularizer["l2"] * (kernel * kernel).sum()
    return total


# ---- losses: labels and outputs to one value per example ----------------------------------------------------------


def refuse_between(p, low, high):
    assert not ((p > low) & (p < high)).any(), "a probability is too near to a limit of the clip; choose other data"


def clip(p):
    refuse_between(p, *UNSURE_BELOW)
    return torch.clamp(p, CLIP_LOW, CLIP_HIGH)


def one_hot(labels, classes):
    return torch.nn.functional.one_hot(labels.reshape(-1).long(), classes).double()


def mean_squared_error(y, p):
    return ((p - y) ** 2).mean(-1)


def categorical_crossentropy(y, p):
    return -(y * torch.log(clip(p / p.sum(-1, keepdim=True)))).sum(-1)


def sparse_categorical_crossentropy(y, p):
    return categorical_crossentropy(one_hot(y, p.shape[-1]), p)


def binary_crossentropy(y, p):
    # Only here does the upper limit show: the loss of a class that is certain is 0 on either side of it.
    refuse_between(p, *UNSURE_ABOVE)
    q = clip(p)
    return -(y * torch.log(q) + (1 - y) * torch.log1p(-q)).mean(-1)


def softmax_crossentropy_from_logits(y, z):
    return -(y * torch.log_softmax(z, -1)).sum(-1)


def sparse_softmax_crossentropy_from_logits(y, z):
    return softmax_crossentropy_from_logits(one_hot(y, z.shape[-1]), z)


LOSSES = {
    "meanSquaredError": mean_squared_error,
    "categoricalCrossentropy": categorical_crossentropy,
    "sparseCategoricalCrossentropy": sparse_categorical_crossentropy,
    "binaryCrossentropy": binary_crossentropy,
    "softmaxCrossEntropyFromLogits": softmax_crossentropy_from_logits,
    "sparseSoftmaxCrossEntropyFromLogits": sparse_softmax_crossentropy_from_logits,
}


def losses_per_example(loss, y, p):
    """Axes beyond the examples' are averaged."""
    return LOSSES[loss](y, p).reshape(y.shape[0], -1).mean(-1)


# ---- data ---------------------------------------------------------------------------------------------------------


def normal(rows, shape, scale=1.0):
    return tensor(grid(random.normal(0, scale, [rows] + list(shape)), 1 / 64))


def tensor(values):
    return torch.tensor(numpy.asarray(values), dtype=torch.float64)


def class_indices(rows, classes):
    return tensor(random.randint(0, classes, [rows, 1]))


def one_hot_labels(shape, classes):
    return one_hot(tensor(random.randint(0, classes, shape)), classes).reshape(list(shape) + [classes])


def soft_labels(rows, classes):
    """Rows of eighths that sum to 1."""
    return tensor(random.multinomial(8, [1 / classes] * classes, rows) / 8)


def bits(rows, units):
    return tensor(random.randint(0, 2, [rows, units]))


# ---- the goldens --------------------------------------------------------------------------------------------------


def numbers(values):
    """Flat list of JSON numbers with the digits that matter; whole numbers without a point."""
    flat = values.detach().reshape(-1).tolist()
    rounded = [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in flat]
    return [int(value) if value == int(value) else value for value in rounded]


def shaped(values):
    return {"shape": list(values.shape), "values": numbers(values)}


def named(weights, part):
    """Weights (or what belongs to them) as a list, a layer after the other, kernel before bias."""
    return [{"layer": layer, "weight": key, **shaped(part(value))}
            for layer, group in weights.items() for key, value in group.items()]


def golden(name, model, loss, x, y, weights=None):
    weights = weights or make_weights(model)
    outputs = forward(model, weights, x)
    example_losses = losses_per_example(loss, y, outputs)
    penalties = penalty(model, weights)
    total = example_losses.mean() + penalties
    total.backward()
    assert all(torch.isfinite(value.grad).all() for group in weights.values() for value in group.values()), name
    return {
        "name": name, "model": model, "loss": loss, "inputs": shaped(x), "labels": shaped(y),
        "weights": named(weights, lambda value: value),
        "expected": {
            "outputs": shaped(outputs), "exampleLosses": numbers(example_losses),
            "penalty": numbers(penalties)[0], "loss": numbers(total)[0],
            "gradients": named(weights, lambda value: value.grad),
        },
    }


def saturated(model, head, scale):
    """Weights whose last layer is so large that probabilities leave the limits of the clip."""
    weights = make_weights(model)
    weights[head]["kernel"] = leaf(weights[head]["kernel"].detach().numpy() * scale, 1 / 64)
    return weights


def unbiased(model):
    return make_weights(model, bias_scale=0.0)


def with_rows(x, rows):
    """The same inputs with some rows replaced."""
    for row, value in rows.items():
        x[row] = value if isinstance(value, (int, float)) else tensor(value)
    return x


def model_goldens():
    shared_twice = functional(
        [6],
        {"left": dense(5, "tanh"), "right": dense(5, "relu"), "shared": dense(4, "elu", l1=0.01, l2=0.02),
         "sum": ADD, "head": dense(3, "softmax")},
        ("left", ["input"], "a"), ("right", ["input"], "b"), ("shared", ["a"], "c"), ("shared", ["b"], "d"),
        ("sum", ["c", "d"], "e"), ("head", ["e"], "f"))
    shared_in_a_row = functional(
        [5], {"mix": dense(5, "tanh"), "head": dense(2)},
        ("mix", ["input"], "a"), ("mix", ["a"], "b"), ("mix", ["b"], "c"), ("head", ["c"], "d"))
    many_activations = sequential(
        [7], dense(9), activation("softplus"), dense(8), activation("selu"), dense(8), activation("elu"), dense(8),
        activation("tanh"), dense(8), activation("relu"), dense(6), activation("sigmoid"), dense(5), activation("linear"),
        activation("softmax"))
    layer_classes = sequential([6], dense(10), RELU, dense(9), LEAKY_RELU, dense(8), ELU, dense(4), SOFTMAX)
    images = sequential([4, 3, 2], FLATTEN, dense(8, "elu"), dense(6, "selu"), dense(3, "softmax"))
    positions = sequential([24], reshape(6, 4), dense(5, "tanh"), dense(3, "softmax"))
    clipped_classes = sequential([6], dense(8, "relu"), dense(5, "softmax"))
    clipped_bits = sequential([6], dense(8, "relu"), dense(3, "sigmoid"))
    kinks = sequential([5], dense(6, "relu"), dense(6), LEAKY_RELU, dense(6, "elu"), dense(3, "selu"), dense(2))
    logits = sequential([12], dense(16, "relu"), dense(5))
    return [
        golden("linear regression", sequential([5], dense(3)), "meanSquaredError", normal(7, [5]), normal(7, [3])),
        golden("one output, one example", sequential([3], dense(1, use_bias=False)), "meanSquaredError",
               normal(1, [3]), normal(1, [1])),
        golden("mlp with softmax", sequential([20], dense(12, "relu"), dense(10, "softmax")),
               "sparseCategoricalCrossentropy", normal(13, [20]), class_indices(13, 10)),
        golden("two hidden layers, several shards", sequential([17], dense(13, "relu"), dense(11, "tanh"), dense(7, "softmax")),
               "sparseCategoricalCrossentropy", normal(45, [17]), class_indices(45, 7)),
        golden("logistic regression", sequential([9], dense(1, "sigmoid")), "binaryCrossentropy",
               normal(21, [9]), bits(21, 1)),
        golden("many labels, no bias", sequential([6], dense(5, "tanh", use_bias=False), dense(4, "sigmoid", use_bias=False)),
               "binaryCrossentropy", normal(11, [6]), bits(11, 4)),
        golden("flattened images, soft labels", images, "categoricalCrossentropy", normal(19, [4, 3, 2]), soft_labels(19, 3)),
        golden("leaky relu and softplus", sequential([8], dense(10), LEAKY_RELU, dense(7, "softplus"), dense(2)),
               "meanSquaredError", normal(33, [8], 2.0), normal(33, [2])),
        golden("every activation as a layer", many_activations, "categoricalCrossentropy", normal(11, [7], 2.0), soft_labels(11, 5),
               make_weights(many_activations, scale=2.0)),
        golden("layer classes", layer_classes, "categoricalCrossentropy", normal(13, [6]), one_hot_labels([13], 4)),
        golden("penalties", sequential([8], dense(9, "relu", l1=0.01), dense(7, "tanh", l2=0.03), dense(4, "softmax", l1=0.005, l2=0.01)),
               "sparseCategoricalCrossentropy", normal(13, [8]), class_indices(13, 4)),
        golden("two branches through a shared layer with penalties", shared_twice, "categoricalCrossentropy",
               normal(13, [6]), one_hot_labels([13], 3)),
        golden("a layer three times in a row", shared_in_a_row, "meanSquaredError", normal(10, [5]), normal(10, [2])),
        golden("a class per position", positions, "categoricalCrossentropy", normal(9, [24]), one_hot_labels([9, 6], 3)),
        golden("clipped probabilities of classes", clipped_classes, "categoricalCrossentropy",
               normal(13, [6], 2.0), one_hot_labels([13], 5), saturated(clipped_classes, "l1", 10)),
        golden("clipped probabilities of bits", clipped_bits, "binaryCrossentropy",
               with_rows(normal(12, [6], 0.125), {1: 128, 4: -256, 7: [512, -256, 0, 256, 0, 128]}),
               with_rows(bits(12, 3), {4: [0, 1, 0]}), unbiased(clipped_bits)),
        golden("pre-activations of exactly zero", kinks, "meanSquaredError",
               with_rows(normal(9, [5]), {0: 0, 5: 0, 8: 0}), normal(9, [2]), unbiased(kinks)),
        golden("logits", logits, "softmaxCrossEntropyFromLogits", normal(10, [12]), soft_labels(10, 5)),
        golden("logits beyond ten thousand", logits, "softmaxCrossEntropyFromLogits",
               with_rows(normal(10, [12]), {2: 8192, 6: -16384, 9: [-8192, 16384] * 6}), one_hot_labels([10], 5)),
        golden("logits and class indices", sequential([10], dense(9, "tanh"), dense(6)),
               "sparseSoftmaxCrossEntropyFromLogits", normal(27, [10]), class_indices(27, 6)),
    ]


def adam_golden(steps=30, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7):
    """Full-batch Adam, Kingma and Ba (2015), algorithm 1: p -= rate * mhat / (sqrt(vhat) + epsilon)."""
    model, loss = sequential([12], dense(16, "relu"), dense(3, "softmax")), "sparseCategoricalCrossentropy"
    x, y, weights = normal(37, [12]), class_indices(37, 3), make_weights(model)
    initial = named(weights, lambda value: value)
    parameters = [value for group in weights.values() for value in group.values()]
    means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    losses = []
    for step in range(1, steps + 2):
        total = losses_per_example(loss, y, forward(model, weights, x)).mean()
        losses.append(total)
        if step > steps:
            break
        gradients = torch.autograd.grad(total, parameters)
        with torch.no_grad():
            for p, g, m, v in zip(parameters, gradients, means, squares):
                m.mul_(beta1).add_(g, alpha=1 - beta1)
                v.mul_(beta2).add_(g * g, alpha=1 - beta2)
                p -= learning_rate * (m / (1 - beta1**step)) / (torch.sqrt(v / (1 - beta2**step)) + epsilon)
    return {"model": model, "loss": loss, "learningRate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon,
            "steps": steps, "inputs": shaped(x), "labels": shaped(y), "weights": initial,
            "expected": {"losses": numbers(torch.stack(losses)), "weights": named(weights, lambda value: value)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=DEFAULT_OUT)
    out = parser.parse_args().out
    origin = {"script": "scripts/goldens/make-model-goldens.py", "torch": torch.__version__, "numpy": numpy.__version__,
              "seed": SEED, "dtype": "float64"}
    goldens = {"generatedBy": origin, "models": model_goldens(), "adam": adam_golden()}
    with open(out, "w") as file:
        # One model a line: small to read over, and a change shows which model it touched.
        file.write('{\n"generatedBy": ' + json.dumps(goldens["generatedBy"]) + ',\n"models": [\n')
        file.write(",\n".join(json.dumps(model, separators=(",", ":")) for model in goldens["models"]))
        file.write('\n],\n"adam": ' + json.dumps(goldens["adam"], separators=(",", ":")) + "\n}\n")


if __name__ == "__main__":
    main()
