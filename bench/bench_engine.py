"""maas bench beside ONNX Runtime, one thread each, runs alternated."""

import json
import os
import sys

from bench_base import (BUILD, MAAS, MODELS, PAIRS, ROOT, SECONDS, alternate,
                        middle, note, quartiles, run, say, table)

sys.path.insert(0, ROOT + '/t/models')

# Name, file of $MAAS_MODELS, and whether weights are to be made up.
MODELS_SHOWN = [
    ('light_resnet50', 'light/light_resnet50.onnx', True),
    ('light_squeezenet', 'light/light_squeezenet.onnx', True),
    ('light_densenet121', 'light/light_densenet121.onnx', True),
    ('mnist_8', 'mnist_8.onnx', False),
]


def prepare(name, path, light):
    if light:
        from randomize import randomize
        os.makedirs(BUILD + '/models/light', exist_ok=True)
        made = '%s/models/light/%s.onnx' % (BUILD, name[len('light_'):])
        if not os.path.exists(made):
            note(name + ': making weights')
            randomize(path, made + '.tmp')
            os.rename(made + '.tmp', made)
        path = made
    image = '%s/models/%s.maas' % (BUILD, name)
    run(MAAS, 'compile', path, '-o', image)
    return path, image


def compare(name, path, image):
    def ours():
        return json.loads(run(MAAS, 'bench', image, '--json', '--threads', 1,
                              '--seconds', SECONDS))

    def peer():
        return json.loads(run('node', ROOT + '/bench/peer.mjs',
                              BUILD + '/models', path, SECONDS, 1))

    return alternate(name, ours, peer)


def row(name, pairs):
    ratio = [a['median_ms'] / b['median_ms'] for a, b in pairs]
    a = [p[0] for p in pairs]
    b = [p[1] for p in pairs]
    low, high = quartiles(ratio)
    least = min(x['min_ms'] for x in a) / min(x['min_ms'] for x in b)
    flops = middle([x['gflops'] * x['median_ms'] for x in a])
    return [name,
            '%.4g' % middle([x['median_ms'] for x in a]),
            '%.4g' % middle([x['median_ms'] for x in b]),
            '%.2f' % middle(ratio), '%.2f - %.2f' % (low, high),
            '%.2f' % least,
            '%.0f' % (flops / min(x['min_ms'] for x in a)),
            '%.0f' % (max(x['peak_rss_bytes'] for x in a) / 1048576)]


def main():
    rows, version, cpu = [], '', ''

    for name, file, light in MODELS_SHOWN:
        path = os.path.join(MODELS, file)
        if not os.path.exists(path):
            print('%s: %s is not there' % (name, path), file=sys.stderr)
            continue
        pairs = compare(name, *prepare(name, path, light))
        rows.append(row(name, pairs))
        version, cpu = pairs[0][1]['version'], pairs[0][0]['cpu']

    say()
    say('## The engine, one thread')
    say()

    if not rows:
        say('No models: $MAAS_MODELS names no folder that holds them.')
        return

    say('`maas bench` (kernels: %s) beside ONNX Runtime %s (its addon for '
        'node, all optimisations); float32, batch 1, random weights in '
        'light_*. The ratio is ours / theirs, below 1 is faster; of the '
        'medians of each pair, with quartiles, and of the best runs.'
        % (cpu, version))
    say()
    table(['model', 'maas ms', 'ORT ms', 'ratio', 'quartiles', 'of minima',
           'GFLOP/s', 'RSS MiB'], rows)
