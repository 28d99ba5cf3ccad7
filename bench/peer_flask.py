"""A model behind Flask: PyTorch, one thread, as tutorials do it.

    PEER_MODEL=mlp.onnx gunicorn -k gthread --threads 4 peer_flask:app

POST /predict {"instances": [[...], ...]}.  The weights are those of the 2-10-1
network in the ONNX file, so that every server gives the same answer.
"""

import os

import onnx
import onnx.numpy_helper
import torch
from flask import Flask, jsonify, request

torch.set_num_threads(1)


def network(path):
    graph = onnx.load(path).graph
    w = [torch.from_numpy(onnx.numpy_helper.to_array(t).copy())
         for t in graph.initializer]
    two = [t for t in w if t.dim() == 2]
    one = [t for t in w if t.dim() == 1]
    layers = []

    for i, (m, b) in enumerate(zip(two, one)):
        linear = torch.nn.Linear(*m.shape)
        linear.weight.data, linear.bias.data = m.t().contiguous(), b
        layers += [linear] + ([torch.nn.Tanh()] if i == 0 else [])

    return torch.nn.Sequential(*layers).eval()


model = network(os.environ['PEER_MODEL'])
app = Flask(__name__)


@app.post('/predict')
def predict():
    rows = request.get_json()['instances']
    with torch.no_grad():
        y = model(torch.tensor(rows, dtype=torch.float32))
    return jsonify(predictions=y.tolist())
