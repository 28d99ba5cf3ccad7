#!/usr/bin/python3
"""Pictures and volumes, exported from PyTorch with seeded weights."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import done, level, need

need(models=False)

from torch_model import TorchModel

below = [c for c in ('avx2', 'v2', 'ref') if c != level()]

for name in ('vit_s16', 'efficientnet_b0', 'mobilenet_v3', 'swin_t'):
    TorchModel(name).check_all(below[:1], batch=True)

for name in ('unet_transposed', 'unet_bilinear', 'upscaler', 'net3d', 'odds'):
    TorchModel(name).check_all(below, batch=True)

TorchModel('faster_rcnn').check_all(below[:1], planned=False)

done('PyTorch: pictures')
