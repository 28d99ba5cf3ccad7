#!/usr/bin/python3
"""Sequences, exported from PyTorch with seeded weights."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import done, level, need

need(models=False)

from torch_model import TorchModel

below = [c for c in ('avx2', 'v2', 'ref') if c != level()]

for name in ('bert_13', 'bert_17', 'encoder_layers', 'gru_lstm', 'packed_rnn',
             'elman_rnn'):
    TorchModel(name).check_all(below, batch=True)

# What depends on values, and loops over them: plans are cut.
for name in ('selector', 'conv_lstm'):
    TorchModel(name).check_all(below, planned=False)

done('PyTorch: sequences')
