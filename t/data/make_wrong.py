#!/usr/bin/python3
"""Makes models that must be refused: make_wrong.py FOLDER.

Each file says in its name what is wrong with it; t/nginx/wrong_conf.t says
what the compiler must answer.  All of them take x f32[N,2] and give y, up to
the mistake; clash.onnx and huge.onnx compile, and fail when they run.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper

F32 = TensorProto.FLOAT
FLOAT8 = 17                         # FLOAT8E4M3FN


def value(name, dtype=F32, dims=("N", 2)):
    return helper.make_tensor_value_info(name, dtype, list(dims))


def node(op, i, o, name, **attrs):
    return helper.make_node(op, i.split(), o.split(), name, **attrs)


def model(nodes, weights=(), opset=13, ir=7, domains=(), **graph):
    g = helper.make_graph(nodes, "wrong", graph.get("inputs", [value("x")]),
                          graph.get("outputs", [value("y")]), list(weights))
    m = helper.make_model(g, producer_name="maas-tests", opset_imports=[
        helper.make_opsetid("", opset),
        *[helper.make_opsetid(d, 1) for d in domains]])
    m.ir_version = ir
    return m.SerializeToString()


def tensor(name, dtype, dims, raw):
    return TensorProto(name=name, data_type=dtype, dims=dims, raw_data=raw)


def floats(name, *dims):
    return tensor(name, F32, dims, np.ones(dims, np.float32).tobytes())


def outside(location):
    w = TensorProto(name="w", data_type=F32, dims=[2],
                    data_location=TensorProto.EXTERNAL)
    w.external_data.add(key="location", value=location)
    return model([node("Add", "x w", "y", "plus")], [w])


def deep():
    """A graph in an attribute of a node in a graph ..., written by length."""
    def field(number, data):
        n, out = len(data), bytes([number << 3 | 2])
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n]) + data

    g = b""
    for _ in range(40):
        g = field(1, field(5, field(6, g)))     # node, attribute, g
    return field(7, g)                          # graph


def models():
    relu = node("Relu", "x", "y", "relu")
    good = model([relu])
    yield "truncated", good[:-20]
    yield "empty", b""
    yield "text", b"this is no model\n"
    yield "page", b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n"
    yield "pointer", (b"version https://git-lfs.github.com/spec/v1\n"
                      b"oid sha256:" + b"0" * 64 + b"\nsize 123\n")
    yield "zip", b"PK\x03\x04" + b"\0" * 60
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + b"\0" * 60
    yield "gguf", b"GGUF\x03\0\0\0" + b"\0" * 60
    yield "tflite", b"\x1c\0\0\0TFL3" + b"\0" * 60
    yield "deep", deep()
    yield "operator", model([node("Flubber", "x", "y", "flub")])
    yield "misspelled", model([node("Sofmax", "x", "y", "soft")])
    yield "domain", model([node("Warp", "x", "y", "warp", domain="acme")],
                          domains=["acme"])
    yield "opset99", model([relu], opset=99)
    yield "opset5", model([relu], opset=5)
    yield "ir99", model([relu], ir=99)
    yield "float8", model(
        [node("Cast", "w", "v", "cast", to=F32),
         node("Add", "x v", "y", "plus")],
        [tensor("w", FLOAT8, [2], b"\x38\x38")])
    yield "float8_input", model([relu], inputs=[value("x", FLOAT8)],
                                outputs=[value("y", FLOAT8)])
    yield "undefined", model([node("Add", "x nothing", "y", "plus")])
    yield "twice", model([relu, node("Tanh", "x", "y", "tanh")])
    yield "cycle", model([node("Add", "x b", "a", "one"),
                          node("Add", "a x", "b", "two"),
                          node("Relu", "b", "y", "relu")])
    yield "nooutput", model([relu], outputs=[])
    yield "absent", model([relu], outputs=[value("z")])
    yield "shapes", model([node("MatMul", "x w", "y", "product")],
                          [floats("w", 3, 4)])
    yield "types", model([node("Add", "x w", "y", "plus")],
                         [tensor("w", TensorProto.INT64, [2], b"\0" * 16)])
    yield "attribute", model([node("Softmax", "x", "y", "soft", axes=1)])
    yield "axis", model([node("Softmax", "x", "y", "soft", axis=7)])
    yield "bytes", model([node("Add", "x w", "y", "plus")],
                         [tensor("w", F32, [2], b"\0" * 7)])
    yield "outside", outside("weights.bin")
    yield "climbs", outside("../weights.bin")
    yield "clash", model([node("Add", "a b", "y", "plus")],     # at run time
                         inputs=[value("a", F32, ["N", 2]),
                                 value("b", F32, ["M", 2])])
    yield "huge", model(
        [node("ConstantOfShape", "s", "v", "ones"),
         node("ReduceSum", "v", "r", "sum", keepdims=0),
         node("Add", "x r", "y", "plus")],
        [tensor("s", TensorProto.INT64, [2],
                np.array([1 << 31, 1 << 20], np.int64).tobytes())])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_wrong.py FOLDER")

    os.makedirs(sys.argv[1], exist_ok=True)

    for name, data in models():
        with open(os.path.join(sys.argv[1], name + ".onnx"), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
