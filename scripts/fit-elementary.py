#!/usr/bin/env python3
"""Prints the polynomials of src/kernels/assembly/math.ts and math64.ts: coefficients from the constant term on, rounded to
float32, and the largest error of the function they stand for, relative to it. Needs numpy.

Each is a weighted minimax fit by Lawson's iteration: least squares on Chebyshev nodes, the weight of a node multiplied by
its error until all errors are alike. The weight turns the polynomial's error into the function's relative error.
"""
from math import cos, erf, erfc, expm1, factorial, fsum, log, log2, pi, sin, sqrt, tanh

import numpy as np
from numpy.polynomial import polynomial

NODES = 4000
ITERATIONS = 200


def fit(name, function, weight, low, high, degree):
    nodes = (high + low) / 2 + (high - low) / 2 * np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    values = np.array([function(x) for x in nodes])
    weights = np.array([weight(x) for x in nodes])
    scale = max(abs(low), abs(high))
    powers = polynomial.polyvander(nodes / scale, degree)
    shares = np.ones(NODES) / NODES
    for _ in range(ITERATIONS):
        by_share = np.sqrt(shares) * weights
        scaled = np.linalg.lstsq(powers * by_share[:, None], values * by_share, rcond=None)[0]
        shares *= np.abs(weights * (powers @ scaled - values)) + 1e-30
        shares /= shares.sum()
    coefficients = np.float32(scaled / scale ** np.arange(degree + 1))
    errors = np.abs(weights * (polynomial.polyval(nodes, coefficients.astype(float)) - values))
    print(f'{name}: 2^{log2(errors.max()):.1f}', [float(str(c)) for c in coefficients])


def series(sign, first):
    """Sum over k of sign^k x^k / (first + step k)!, the tails of exp (step 1) and of sin and cos (step 2)."""
    step = 1 if sign > 0 else 2
    return lambda x: fsum(sign ** k * x ** k / factorial(first + step * k) for k in range(14))


def tanh_tail(z):
    """(tanh x - x) / x^3 at x^2 = z; by its series where the difference cancels."""
    if z < 1e-3:
        return -1 / 3 + z * (2 / 15 + z * (-17 / 315 + z * (62 / 2835 - z * 1382 / 155925)))
    return (tanh(sqrt(z)) - sqrt(z)) / sqrt(z) ** 3


half_ln2 = log(2) / 2 * 1.001
quarter_pi = pi / 4 * 1.001
fit('EXP_TAIL', series(1, 2), lambda r: abs(r * r / expm1(r)), -half_ln2, half_ln2, 5)
fit('TANH_NEAR', tanh_tail, lambda z: z * sqrt(z) / tanh(sqrt(z)), 1e-9, 0.64 ** 2, 5)
fit('ERF_NEAR', lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erf(sqrt(z)), 1e-9, 0.93 ** 2, 6)
fit('ERFC_LOG', lambda t: log(erfc(t)) / t, lambda t: t * erfc(t) / erf(t), 0.92, 4, 7)
fit('SIN_NEAR', lambda z: -series(-1, 3)(z), lambda z: z * sqrt(z) / sin(sqrt(z)), 1e-9, quarter_pi ** 2, 3)
fit('COS_NEAR from r^4 on', series(-1, 4), lambda z: z * z / cos(sqrt(z)), 1e-9, quarter_pi ** 2, 2)
