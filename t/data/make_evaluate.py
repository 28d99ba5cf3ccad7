# Small models for t/cli/evaluate.t: make_evaluate.py FOLDER.

import os
import sys

import onnx
from onnx import TensorProto as T
from onnx import helper as h

out = sys.argv[1]
os.makedirs(out, exist_ok=True)


def save(name, nodes, inputs, outputs):
    graph = h.make_graph(nodes, name, inputs, outputs)
    model = h.make_model(graph, ir_version=8, opset_imports=[
        h.make_opsetid('', 17), h.make_opsetid('ai.onnx.ml', 3)])
    onnx.save(model, '%s/%s.onnx' % (out, name))


# Three classes by two numbers: the largest of a, b and 0.5.
save('matrix', [
    h.make_node('LinearClassifier', ['X'], ['label', 'probabilities'],
                domain='ai.onnx.ml', coefficients=[1., 0, 0, 1, 0, 0],
                intercepts=[0., 0, .5], multi_class=0,
                post_transform='SOFTMAX',
                classlabels_strings=['ant', 'bee', 'cow'])],
    [h.make_tensor_value_info('X', T.FLOAT, ['N', 2])],
    [h.make_tensor_value_info('label', T.STRING, ['N']),
     h.make_tensor_value_info('probabilities', T.FLOAT, ['N', 3])])

# A number by columns: 2 * age + (Rome: 1, Oslo: 2).
save('columns', [
    h.make_node('LabelEncoder', ['city'], ['code'], domain='ai.onnx.ml',
                keys_strings=['Rome', 'Oslo'], values_floats=[1., 2.]),
    h.make_node('Add', ['age', 'age'], ['twice']),
    h.make_node('Add', ['twice', 'code'], ['prediction'])],
    [h.make_tensor_value_info('age', T.FLOAT, ['N', 1]),
     h.make_tensor_value_info('city', T.STRING, ['N', 1])],
    [h.make_tensor_value_info('prediction', T.FLOAT, ['N', 1])])

# The same of batches of four rows alone.
save('four', [h.make_node('Mul', ['X', 'X'], ['y'])],
     [h.make_tensor_value_info('X', T.FLOAT, [4, 1])],
     [h.make_tensor_value_info('y', T.FLOAT, [4, 1])])
