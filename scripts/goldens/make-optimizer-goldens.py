"""Writes test/golden/optimizers.json: twelve steps of every optimizer from its published formula, in float64.

Run from the root of the project: /usr/bin/python3 scripts/goldens/make-optimizer-goldens.py [--out FILE]
Nothing here is shared with src/optimizers: the formulas are those of the papers, with the biases corrected separately and
integer powers taken as such.
"""
import argparse
import json
import math

import numpy as np

STEPS = 12
FLOATS = 10
SEED = 20150507
EPSILON = 1e-7


def float32(values):
    """Numbers that float32 holds, so that both sides start from the same ones."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def inputs():
    random = np.random.RandomState(SEED)
    parameters = float32(random.normal(0, 1, FLOATS))
    scales = 10.0 ** np.array([0, 0, 0, -1, -2, -3, -5, 1, 2, 0])
    gradients = float32(random.normal(0, 1, (STEPS, FLOATS)) * scales)
    gradients[:, 9] = 0  # never a gradient
    gradients[3:6, 0] = 0  # none for some steps
    gradients[:, 1] = gradients[0, 1]  # always the same: no variance
    return parameters, gradients


def rate_at(schedule, step):
    kind = schedule["kind"]
    if kind == "constant":
        return schedule["rate"]
    if kind == "step":
        return schedule["rate"] * schedule["factor"] ** (step // schedule["every"])
    if kind == "exponential":
        return schedule["rate"] * schedule["factor"] ** (step / schedule["steps"])
    if kind == "cosine":
        share = min(step, schedule["steps"]) / schedule["steps"]
        return schedule["final"] + (schedule["rate"] - schedule["final"]) * (1 + math.cos(math.pi * share)) / 2
    if step < schedule["steps"]:
        return rate_at(schedule["then"], 0) * (step + 1) / schedule["steps"]
    return rate_at(schedule["then"], step - schedule["steps"])


def clipped(g, options):
    if "clipNorm" in options:
        norm = np.sqrt(np.sum(g * g))
        if norm > options["clipNorm"]:
            g = g * (options["clipNorm"] / norm)
    if "clipValue" in options:
        g = np.clip(g, -options["clipValue"], options["clipValue"])
    return g


def sgd(p, g, states, r, t, o):
    return p - r * g, {}


def momentum(p, g, states, r, t, o):
    a = o["momentum"] * states["velocity"] + g
    return p - r * a, {"velocity": a}


def nesterov(p, g, states, r, t, o):
    a = o["momentum"] * states["velocity"] + g
    return p - r * (g + o["momentum"] * a), {"velocity": a}


def adagrad(p, g, states, r, t, o):
    s = states["accumulator"] + g ** 2
    return p - r * g / np.sqrt(s + EPSILON), {"accumulator": s}


def rmsprop(p, g, states, r, t, o):
    decay, centered, mu = o.get("decay", 0.9), o.get("centered", False), o.get("momentum", 0)
    s = decay * states["meanSquare"] + (1 - decay) * g ** 2
    after = {"meanSquare": s}
    if centered:
        after["mean"] = decay * states["mean"] + (1 - decay) * g
        s = s - after["mean"] ** 2
    step = r * g / np.sqrt(s + EPSILON)
    if mu > 0:
        step = after["velocity"] = mu * states["velocity"] + step
    return p - step, after


def adam(p, g, states, r, t, o):
    beta1, beta2, epsilon = o.get("beta1", 0.9), o.get("beta2", 0.999), o.get("epsilon", EPSILON)
    m = beta1 * states["mean"] + (1 - beta1) * g
    v = beta2 * states["variance"] + (1 - beta2) * g ** 2
    m_hat, v_hat = m / (1 - beta1 ** t), v / (1 - beta2 ** t)
    return p - r * m_hat / (np.sqrt(v_hat) + epsilon), {"mean": m, "variance": v}


def adamw(p, g, states, r, t, o):
    return adam(p - r * o.get("weightDecay", 0.004) * p, g, states, r, t, o)


RULES = {"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adagrad": adagrad, "rmsprop": rmsprop, "adam": adam, "adamw": adamw}


def constant(rate):
    return {"kind": "constant", "rate": rate}


COSINE = {"kind": "cosine", "rate": 0.05, "steps": 8, "final": 0.001}
HALVED = {"kind": "step", "rate": 0.1, "factor": 0.5, "every": 5}
FADING = {"kind": "exponential", "rate": 0.02, "factor": 0.7, "steps": 4}
WARM = {"kind": "warmUp", "steps": 4, "then": COSINE}

# title, rule, schedule, the other options, the states that the rule keeps
CASES = [
    ("sgd", "sgd", constant(0.01), {}, []),
    ("sgd, value clipped", "sgd", constant(0.1), {"clipValue": 0.5}, []),
    ("sgd, norm clipped", "sgd", constant(0.1), {"clipNorm": 1.5}, []),
    ("sgd, step schedule", "sgd", HALVED, {}, []),
    ("momentum", "momentum", constant(0.01), {"momentum": 0.9}, ["velocity"]),
    ("momentum, cosine schedule", "momentum", COSINE, {"momentum": 0.5}, ["velocity"]),
    ("nesterov", "nesterov", constant(0.01), {"momentum": 0.9}, ["velocity"]),
    ("nesterov, warm-up, both clipped", "nesterov", WARM, {"momentum": 0.8, "clipNorm": 20, "clipValue": 1}, ["velocity"]),
    ("adagrad", "adagrad", constant(0.01), {}, ["accumulator"]),
    ("adagrad from 0.5, exponential schedule", "adagrad", FADING, {"initialAccumulator": 0.5}, ["accumulator"]),
    ("rmsprop", "rmsprop", constant(0.001), {}, ["meanSquare"]),
    ("rmsprop with momentum", "rmsprop", constant(0.001), {"momentum": 0.9, "decay": 0.99}, ["meanSquare", "velocity"]),
    ("rmsprop, centered", "rmsprop", constant(0.001), {"centered": True}, ["meanSquare", "mean"]),
    ("rmsprop, centered with momentum, step schedule", "rmsprop", HALVED, {"centered": True, "momentum": 0.5},
     ["meanSquare", "mean", "velocity"]),
    ("rmsprop without a past", "rmsprop", constant(0.001), {"decay": 0}, ["meanSquare"]),
    ("adam", "adam", constant(0.001), {}, ["mean", "variance"]),
    ("adam, other betas", "adam", constant(0.01), {"beta1": 0.5, "beta2": 0.9999, "epsilon": 1e-4}, ["mean", "variance"]),
    ("adam without a first moment", "adam", constant(0.01), {"beta1": 0}, ["mean", "variance"]),
    ("adam, warm-up, norm clipped", "adam", WARM, {"clipNorm": 5}, ["mean", "variance"]),
    ("adamw", "adamw", constant(0.001), {}, ["mean", "variance"]),
    ("adamw, exponential schedule, value clipped", "adamw", FADING, {"weightDecay": 0.1, "clipValue": 2}, ["mean", "variance"]),
]


def rounded(values):
    return [float(f"{value:.10g}") for value in values]


def run(case, parameters, gradients):
    title, rule, schedule, options, names = case
    start = options.get("initialAccumulator", 0.1) if rule == "adagrad" else 0
    p, states = parameters, {name: np.full(FLOATS, float(start)) for name in names}
    steps = []
    for step in range(STEPS):
        g = clipped(gradients[step], options)
        p, states = RULES[rule](p, g, states, rate_at(schedule, step), step + 1, options)
        steps.append({"parameters": rounded(p), "states": {name: rounded(states[name]) for name in names}})
    return {"title": title, "rule": rule, "learningRate": schedule, "options": options, "steps": steps}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="test/golden/optimizers.json")
    out = parser.parse_args().out
    parameters, gradients = inputs()
    golden = {
        "script": "scripts/goldens/make-optimizer-goldens.py",
        "numpy": np.__version__,
        "parameters": parameters.tolist(),
        "gradients": gradients.tolist(),
        "cases": [run(case, parameters, gradients) for case in CASES],
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


main()
