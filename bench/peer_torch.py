"""PyTorch's side of the training bench: peer_torch.py NAME THREADS RATE losses
N [plain] [ulp] [double] | paced SECONDS; plain: without oneDNN; ulp: every
weight is one float32 off; double: all in float64.  The protocol is
bench_train's; what the process held when it began is with PyTorch imported."""

import json
import sys
import time

import numpy as np
import torch

import train_nets


def memory(key):
    with open('/proc/self/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def off(net):
    r = np.random.RandomState(3)
    for p in net.parameters():
        a = p.data.numpy()
        to = np.where(r.randint(0, 2, a.shape), np.inf, -np.inf)
        a[...] = np.nextafter(a, to.astype(np.float32))


def main():
    began = memory('VmRSS')
    name, threads, rate, mode, n = sys.argv[1:6]
    kind = torch.float64 if 'double' in sys.argv else torch.float32
    torch.set_num_threads(int(threads))
    torch.backends.mkldnn.enabled = 'plain' not in sys.argv
    torch.set_flush_denormal(True)
    net = train_nets.torch_net(name)
    if 'ulp' in sys.argv:
        off(net)
    net = net.to(kind)
    sgd = torch.optim.SGD(net.parameters(), lr=float(rate))
    data = [(torch.from_numpy(x).to(kind), torch.from_numpy(t))
            for x, t in train_nets.data(name)]
    done = 0

    def step():
        nonlocal done
        x, t = data[done % len(data)]
        done += 1
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), t.argmax(1))
        loss.backward()
        sgd.step()
        return loss

    if mode == 'losses':
        for _ in range(int(n)):
            print('%.9g' % step().item())
        print(memory('VmHWM'), began)
        return

    step()
    step()
    for _ in sys.stdin:
        start = time.perf_counter()
        k = 0
        while time.perf_counter() - start < float(n):
            step()
            k += 1
        print(json.dumps({'steps': k / (time.perf_counter() - start)}))
        sys.stdout.flush()


main()
