#!/usr/bin/python3
# Writes t/data/optim.json: what torch.optim and torch.optim.lr_scheduler make
# of five numbers in 100 steps, ten of them an epoch.  The gradient of step t
# (1, 2, ...) is a[i] * p[i] + sin(0.7 t + i) / 2, in float64, rounded.

import json
import math
import os
import sys

import torch

START = [0.5, -1.25, 2.0, -0.03125, 7.5]
A = [0.5, 1.0, 0.125, 2.0, 0.0625]
# What is watched by reduce_on_plateau after each epoch.
WATCH = [1.0, 0.9, 0.89999, 0.9, 0.95, 0.8, 0.81, 0.82, 0.83, 0.7]

O = torch.optim
S = torch.optim.lr_scheduler
CASES = [
    ({"type": "sgd", "learning_rate": 0.1}, lambda p: O.SGD(p, 0.1)),
    ({"type": "gradient_descent", "learning_rate": 0.05},
     lambda p: O.SGD(p, 0.05)),
    ({"type": "sgd", "momentum": 0.9},
     lambda p: O.SGD(p, 0.01, momentum=0.9)),
    ({"type": "sgd", "momentum": 0.9, "dampening": 0.5, "l2": 0.01},
     lambda p: O.SGD(p, 0.01, momentum=0.9, dampening=0.5,
                     weight_decay=0.01)),
    ({"type": "sgd", "momentum": 0.8, "nesterov": True, "l2": 0.1},
     lambda p: O.SGD(p, 0.01, momentum=0.8, nesterov=True,
                     weight_decay=0.1)),
    ("adam", lambda p: O.Adam(p)),
    ({"type": "adam", "learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9,
      "epsilon": 1e-4, "l2": 0.05},
     lambda p: O.Adam(p, 0.1, (0.8, 0.9), 1e-4, 0.05)),
    ({"type": "adamw", "learning_rate": 0.05},
     lambda p: O.AdamW(p, 0.05)),
    ({"type": "adamw", "learning_rate": 0.05, "weight_decay": 0.3},
     lambda p: O.AdamW(p, 0.05, weight_decay=0.3)),
    ("rmsprop", lambda p: O.RMSprop(p)),
    ({"type": "rmsprop", "rho": 0.9, "momentum": 0.5, "l2": 0.1},
     lambda p: O.RMSprop(p, 0.01, 0.9, momentum=0.5, weight_decay=0.1)),
    ("adagrad", lambda p: O.Adagrad(p)),
    ({"type": "adagrad", "learning_rate": 0.5, "lr_decay": 0.1,
      "initial_accumulator_value": 0.25, "l2": 0.1},
     lambda p: O.Adagrad(p, 0.5, 0.1, 0.1, 0.25)),
    ({"type": "sgd", "learning_rate": 0.1, "clip_value": 0.3},
     lambda p: O.SGD(p, 0.1)),
    ({"type": "adam", "learning_rate": 0.1, "clip_norm": 0.5},
     lambda p: O.Adam(p, 0.1)),
]
SCHEDULES = [
    ({"type": "step", "step_size": 3, "gamma": 0.5},
     lambda o: S.StepLR(o, 3, 0.5)),
    ({"type": "exponential", "gamma": 0.8},
     lambda o: S.ExponentialLR(o, 0.8)),
    ("cosine", lambda o: S.CosineAnnealingLR(o, 10)),
    ({"type": "cosine", "min_factor": 0.1},
     lambda o: S.CosineAnnealingLR(o, 10, 0.01)),
    ({"type": "reduce_on_plateau", "patience": 1, "factor": 0.5},
     lambda o: S.ReduceLROnPlateau(o, patience=1, factor=0.5)),
    ({"type": "reduce_on_plateau", "patience": 0, "factor": 0.1,
      "cooldown": 2, "min_factor": 0.05},
     lambda o: S.ReduceLROnPlateau(o, patience=0, factor=0.1, cooldown=2,
                                   min_lr=0.005)),
]


def run(spec, make, schedule=None):
    p = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    opt = make([p])
    sched = schedule(opt) if schedule else None
    seen = {}
    for t in range(1, 101):
        with torch.no_grad():
            wave = torch.tensor([math.sin(0.7 * t + i) / 2
                                 for i in range(5)], dtype=torch.float64)
            a = torch.tensor(A, dtype=torch.float64)
            p.grad = (a * p.double() + wave).float()
        if isinstance(spec, dict) and "clip_value" in spec:
            torch.nn.utils.clip_grad_value_([p], spec["clip_value"])
        if isinstance(spec, dict) and "clip_norm" in spec:
            torch.nn.utils.clip_grad_norm_([p], spec["clip_norm"])
        opt.step()
        if sched is not None and t % 10 == 0:
            if isinstance(sched, S.ReduceLROnPlateau):
                sched.step(WATCH[t // 10 - 1])
            else:
                sched.step()
        if t in (1, 2, 10, 100):
            seen[str(t)] = [float(x) for x in p.detach()]
    return seen


def main():
    out = {"torch": torch.__version__, "start": START, "a": A,
           "watch": WATCH, "cases": []}
    for spec, make in CASES:
        out["cases"].append({"optimizer": spec, "steps": run(spec, make)})
    for spec, make in SCHEDULES:
        sgd = {"type": "sgd", "learning_rate": 0.1}
        out["cases"].append({
            "optimizer": sgd, "schedule": spec,
            "steps": run(sgd, lambda p: O.SGD(p, 0.1), make)})
    path = os.path.join(os.path.dirname(sys.argv[0]), "optim.json")
    with open(path, "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


main()
