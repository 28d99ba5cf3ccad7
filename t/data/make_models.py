#!/usr/bin/python3
"""Makes the models that the server tests use: make_models.py FOLDER.

mlp.onnx   x f32[N,2] -> y f32[N,1]: 2-10-1, tanh
echo.onnx  x f32[N,M] -> y f32[N,M]: Identity
big.onnx   x f32[N,4096] -> y f32[N,4096]: 64 MB of weights
slow.onnx  x f32[N,1] -> y f32[N,1]: 60 products with one 1024x1024 matrix,
           0.126 GFLOP a row; N chooses how long it takes

Weights are seeded.  A file is written under another name and renamed, so
that tests may run side by side.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def model(name, nodes, x, y, weights):
    f32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("x", f32, x)],
        [helper.make_tensor_value_info("y", f32, y)],
        weights)
    m = helper.make_model(
        graph, producer_name="maas-tests",
        opset_imports=[helper.make_opsetid("", 13)])
    m.ir_version = 7
    return m


def mlp(rng):
    f = np.float32
    return model("mlp", [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "dense1"),
        helper.make_node("Tanh", ["h"], ["t"], "tanh"),
        helper.make_node("Gemm", ["t", "w2", "b2"], ["y"], "dense2"),
    ], ["N", 2], ["N", 1], [
        tensor("w1", rng.standard_normal((2, 10)).astype(f)),
        tensor("b1", rng.standard_normal(10).astype(f)),
        tensor("w2", rng.standard_normal((10, 1)).astype(f)),
        tensor("b2", rng.standard_normal(1).astype(f)),
    ])


def echo(rng):
    return model("echo", [
        helper.make_node("Identity", ["x"], ["y"], "identity"),
    ], ["N", "M"], ["N", "M"], [])


def big(rng):
    w = rng.standard_normal((4096, 4096), np.float32) / 64
    return model("big", [
        helper.make_node("MatMul", ["x", "w"], ["y"], "product"),
    ], ["N", 4096], ["N", 4096], [tensor("w", w)])


def slow(rng):
    w = rng.standard_normal((1024, 1024), np.float32) / 32
    nodes = [helper.make_node("Mul", ["x", "ones"], ["h0"], "spread")]
    for i in range(60):
        nodes.append(helper.make_node(
            "MatMul", [f"h{i}", "w"], [f"h{i + 1}"], f"product{i}"))
    nodes.append(helper.make_node(
        "ReduceMean", ["h60"], ["y"], "mean", axes=[1], keepdims=1))
    return model("slow", nodes, ["N", 1], ["N", 1], [
        tensor("ones", np.ones((1, 1024), np.float32)),
        tensor("w", w),
    ])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_models.py FOLDER")

    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    for make in (mlp, echo, big, slow):
        path = os.path.join(folder, make.__name__ + ".onnx")
        if not os.path.exists(path):
            tmp = f"{path}.{os.getpid()}"
            save(make(np.random.default_rng(7)), tmp)
            os.rename(tmp, path)


main()
