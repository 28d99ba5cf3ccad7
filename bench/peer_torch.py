"""PyTorch's side of the training bench: peer_torch.py NAME THREADS losses N
[plain] | paced SECONDS; plain: without oneDNN.  The protocol is bench_train's."""

import json
import resource
import sys
import time

import torch

import train_nets


def main():
    name, threads, mode, n = sys.argv[1:5]
    torch.set_num_threads(int(threads))
    torch.backends.mkldnn.enabled = 'plain' not in sys.argv
    torch.set_flush_denormal(True)
    net = train_nets.torch_net(name)
    sgd = torch.optim.SGD(net.parameters(), lr=train_nets.RATE)
    data = [(torch.from_numpy(x), torch.from_numpy(t))
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
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
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
