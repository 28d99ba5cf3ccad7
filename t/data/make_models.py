#!/usr/bin/python3
"""Makes the models that the server tests use: make_models.py FOLDER.

mlp.onnx   x f32[N,2] -> y f32[N,1]: 2-10-1, tanh
echo.onnx  x f32[N,M] -> y f32[N,M]: Identity
colors.onnx  x f32[N,3,H,W] -> y f32[N,H,W]: the mean of the channels
big.onnx   x f32[N,4096] -> y f32[N,4096]: 64 MB of weights
outside.onnx  x f32[N,4] -> y f32[N,4]: x + w, w in weights.bin beside it
half.onnx  x f16[N,2] -> y f16[N,2]: Identity; brain.onnx: bf16
text.onnx  x string[N,M] -> y_bytes string[N,M]: Identity
pair.onnx  a f32[N,2], b i64[N] -> s f32[N,2] = 2a, t i64[N] = b + 1
maps.onnx  x f32[N,2] -> y: maps of "no" and "yes"
many.onnx  x f32[1,5] -> y f32[5]: the elements of x
lists.onnx x f32[N,2] -> y: a sequence of x and its sums; z f32[N,2] = 2x
class/     x f32[N,4] -> y f32[N,4]: logits of classes, 3 with labels
value/     x f32[N,2] -> z f32[N,2] = 2x, y f32[N,1]: the sum, a regression
shapes.onnx  x f32[N,M] -> y f32[N,M]: x - 1 by way of six tensors of that size
contents.onnx  x f32[1], s1 i64[2], s2 i64[3] -> y: x - 1 expanded to s1, s2,
           which choose plans by their contents
across.onnx  x f32[N,2] -> y f32[N,2]: softmax along N: rows depend on rows
pick.onnx  i i64[N] -> y f32[N]: of five numbers; others fail
slow.onnx  x f32[N,1] -> y f32[N,1]: 60 products with one 1024x1024 matrix,
           0.126 GFLOP a row; N chooses how long it takes

Weights are seeded.  A file is written under another name and renamed, so
that tests may run side by side.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper, save


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def value(name, dtype, dims):
    return helper.make_tensor_value_info(name, dtype, dims)


def whole(name, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(weights))
    m = helper.make_model(
        graph, producer_name="maas-tests",
        opset_imports=[helper.make_opsetid("", 13),
                       helper.make_opsetid("ai.onnx.ml", 1)])
    m.ir_version = 7
    return m


def model(name, nodes, x, y, weights):
    return whole(name, nodes, [value("x", TensorProto.FLOAT, x)],
                 [value("y", TensorProto.FLOAT, y)], weights)


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


def colors(rng):
    return model("colors", [
        helper.make_node("ReduceMean", ["x"], ["y"], "mean", axes=[1],
                         keepdims=0),
    ], ["N", 3, "H", "W"], ["N", "H", "W"], [])


def big(rng):
    w = rng.standard_normal((4096, 4096), np.float32) / 64
    return model("big", [
        helper.make_node("MatMul", ["x", "w"], ["y"], "product"),
    ], ["N", 4096], ["N", 4096], [tensor("w", w)])


def outside(rng):
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4],
                    data_location=TensorProto.EXTERNAL)
    w.external_data.add(key="location", value="weights.bin")
    return model("outside", [
        helper.make_node("Add", ["x", "w"], ["y"], "plus"),
    ], ["N", 4], ["N", 4], [w])


def shapes(rng):
    node = helper.make_node
    return model("shapes", [
        node("Softmax", ["x"], ["s"], "softmax"),
        node("Sub", ["x", "one"], ["t"], "less"),
        node("Mul", ["t", "s"], ["u"], "weigh"),
        node("Sub", ["u", "u"], ["v"], "zero"),
        node("Add", ["t", "v"], ["y"], "sum"),
    ], ["N", "M"], ["N", "M"], [tensor("one", np.float32(1))])


def contents(rng):
    node = helper.make_node
    m = model("contents", [
        node("Sub", ["x", "one"], ["a"], "less"),
        node("Expand", ["a", "s1"], ["b"], "first"),
        node("Neg", ["b"], ["c"], "neg"),
        node("Expand", ["c", "s2"], ["d"], "second"),
        node("Neg", ["d"], ["y"], "neg2"),
    ], [1], ["A", "B", "C"], [tensor("one", np.float32(1))])
    for name, n in (("s1", 2), ("s2", 3)):
        m.graph.input.append(helper.make_tensor_value_info(
            name, TensorProto.INT64, [n]))
    return m


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


def across(rng):
    return model("across", [
        helper.make_node("Softmax", ["x"], ["y"], "softmax", axis=0),
    ], ["N", 2], ["N", 2], [])


def pick(rng):
    return whole("pick", [
        helper.make_node("Gather", ["t", "i"], ["y"], "look"),
    ], [value("i", TensorProto.INT64, ["N"])],
       [value("y", TensorProto.FLOAT, ["N"])],
       [tensor("t", np.array([1.5, -2, 3, 0.1, 7], np.float32))])


def identity(name, dtype, y="y"):
    return whole(name, [helper.make_node("Identity", ["x"], [y])],
                 [value("x", dtype, ["N", 2])], [value(y, dtype, ["N", 2])])


def half(rng):
    return identity("half", TensorProto.FLOAT16)


def brain(rng):
    return identity("brain", TensorProto.BFLOAT16)


def text(rng):
    s = TensorProto.STRING
    return whole("text", [helper.make_node("Identity", ["x"], ["y_bytes"])],
                 [value("x", s, ["N", "M"])],
                 [value("y_bytes", s, ["N", "M"])])


def pair(rng):
    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    return whole("pair", [
        helper.make_node("Add", ["a", "a"], ["s"], "double"),
        helper.make_node("Add", ["b", "one"], ["t"], "next"),
    ], [value("a", f32, ["N", 2]), value("b", i64, ["N"])],
       [value("s", f32, ["N", 2]), value("t", i64, ["N"])],
       [tensor("one", np.array([1], np.int64))])


def maps(rng):
    y = ValueInfoProto(name="y")
    m = y.type.sequence_type.elem_type.map_type
    m.key_type = TensorProto.STRING
    m.value_type.tensor_type.elem_type = TensorProto.FLOAT
    return whole("maps", [
        helper.make_node("ZipMap", ["x"], ["y"], "zip", domain="ai.onnx.ml",
                         classlabels_strings=["no", "yes"]),
    ], [value("x", TensorProto.FLOAT, ["N", 2])], [y])


def many(rng):
    return model("many", [
        helper.make_node("Reshape", ["x", "shape"], ["y"], "flat"),
    ], [1, 5], [5], [tensor("shape", np.array([5], np.int64))])


def lists(rng):
    f32 = TensorProto.FLOAT
    return whole("lists", [
        helper.make_node("ReduceSum", ["x", "one"], ["s"], "sum"),
        helper.make_node("SequenceConstruct", ["x", "s"], ["y"], "both"),
        helper.make_node("Add", ["x", "x"], ["z"], "double"),
    ], [value("x", f32, ["N", 2])],
       [helper.make_tensor_sequence_value_info("y", f32, None),
        value("z", f32, ["N", 2])],
       [tensor("one", np.array([1], np.int64))])


def classes(rng):
    return model("classes", [
        helper.make_node("Identity", ["x"], ["y"], "identity"),
    ], ["N", 4], ["N", 4], [])


def regression(rng):
    f32 = TensorProto.FLOAT
    return whole("regression", [
        helper.make_node("ReduceSum", ["x", "one"], ["y"], "sum"),
        helper.make_node("Add", ["x", "x"], ["z"], "double"),
    ], [value("x", f32, ["N", 2])],
       [value("z", f32, ["N", 2]), value("y", f32, ["N", 1])],
       [tensor("one", np.array([1], np.int64))])


BESIDE = {
    "class/model.json": '{"output": {"softmax": true, "top_k": 2},'
                        ' "batch": {"max": 8}}\n',
    "class/labels.txt": "cat\ndog: small\nl\u00e4mmchen\n",
    "value/model.json": '{"output": {"name": "y", "meaning": "regression"}}\n',
}


def put(path, write):
    if not os.path.exists(path):
        tmp = f"{path}.{os.getpid()}"
        write(tmp)
        os.rename(tmp, path)


def put_text(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_models.py FOLDER")

    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    for name in "class", "value":
        os.makedirs(os.path.join(folder, name), exist_ok=True)

    for name, content in BESIDE.items():
        put(os.path.join(folder, name), lambda p: put_text(p, content))

    for make, name in [(classes, "class/model"), (regression, "value/model")]:
        put(os.path.join(folder, name + ".onnx"),
            lambda p: save(make(np.random.default_rng(7)), p))

    for make in (mlp, echo, colors, half, brain, text, pair, maps, many,
                 lists, big, outside, shapes, contents, across, pick, slow):
        put(os.path.join(folder, make.__name__ + ".onnx"),
            lambda p: save(make(np.random.default_rng(7)), p))


if __name__ == "__main__":
    main()
