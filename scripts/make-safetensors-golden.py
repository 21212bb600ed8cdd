"""Writes test/golden/safetensors.json: a file made by the safetensors project's own library (pip install safetensors numpy).

python3 scripts/make-safetensors-golden.py > test/golden/safetensors.json
"""
import base64
import json

import numpy
import safetensors
import safetensors.numpy

TENSORS = {
    "dense/kernel": numpy.arange(6, dtype=numpy.float32).reshape(2, 3) / 4 - 1,
    "dense/bias": numpy.array([1e-45, 3.4028235e38, -0.5], dtype=numpy.float32),
    "step": numpy.array(7, dtype=numpy.float32),
    "empty": numpy.zeros((0, 4), dtype=numpy.float32),
    "größe": numpy.array([[2]], dtype=numpy.float32),
}

print(json.dumps({
    "source": f"scripts/make-safetensors-golden.py, safetensors {safetensors.__version__}",
    "base64": base64.b64encode(safetensors.numpy.save(TENSORS, metadata={"format": "np"})).decode(),
    "tensors": {name: {"shape": list(t.shape), "values": [float(v) for v in t.ravel()]} for name, t in TENSORS.items()},
}, indent=1))
