#!/usr/bin/python3
"""Figures of this machine.  See run.sh."""

import os
import platform
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bench_base import (PAIRS, ROOT, SECONDS, SLICE, START, TURNS, Skip,
                        report, say)

PARTS = ['engine', 'quant', 'start', 'trees', 'json', 'http', 'image', 'peers',
         'batch', 'texts', 'fit', 'train']


def cpu_name():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.machine()


def first_line(path, default):
    try:
        with open(path) as f:
            return f.readline().strip()
    except OSError:
        return default


def version(*cmd):
    try:
        p = subprocess.run(cmd, capture_output=True, text=True)
    except OSError:
        return cmd[0] + ' is missing'
    return (p.stdout + p.stderr).strip().split('\n')[0]


def machine():
    load = os.getloadavg()[0]
    cpu = '/sys/devices/system/cpu/cpu0/'
    with open('/proc/meminfo') as f:
        memory = int(f.readline().split()[1]) / 1048576
    caches = ', '.join(
        'L%s %s' % (first_line(cpu + 'cache/index%d/level' % i, '?'),
                    first_line(cpu + 'cache/index%d/size' % i, '?'))
        for i in (0, 2, 3) if os.path.exists(cpu + 'cache/index%d' % i))
    commit = version('git', '-C', ROOT, 'describe', '--always', '--dirty')
    say('Machine: %s, %d cores, %s, %.0f GiB, governor %s, Linux %s; load '
        '%.2f at the start%s.'
        % (cpu_name(), os.cpu_count(), caches or 'caches unknown', memory,
           first_line(cpu + 'cpufreq/scaling_governor', 'unknown'),
           platform.release(), load,
           '' if load < 1 else ' (not calm: read the ratios with care)'))
    say('Versions: ngx_maas %s, %s, wrk %s.'
        % (commit if 'fatal' not in commit else 'without git',
           version('nginx', '-v').replace('nginx version: ', ''),
           version('wrk', '-v').split(' [')[0].replace('wrk ', '')))
    say('Made %s by `make bench`: networks %d alternated pairs of %g s, '
        'servers %d of %g s.'
        % (time.strftime('%Y-%m-%d'), TURNS, SLICE, PAIRS, SECONDS))


def part(name, main, *args):
    try:
        main(*args)
    except Skip as e:
        say()
        say('%s: skipped: %s' % (name, e))


def main():
    import bench_cases
    import bench_engine

    known = [c.name for c in bench_cases.CASES + bench_cases.BATCHES]
    asked = sys.argv[1:]
    names = [k for k in known for x in asked
             if k.startswith(x) and x not in PARTS]
    for x in asked:
        if x not in PARTS and not any(k.startswith(x) for k in known):
            sys.exit('%s: not a part (%s), nor the beginning of a case (%s)'
                     % (x, ' '.join(PARTS), ' '.join(known)))

    what = [p for p in PARTS if p in asked or not asked]
    if names and 'engine' not in what:
        what = ['engine'] + what

    say('# Benchmarks')
    say()
    say('Ratios of alternated runs (A B A B); absolute figures are of one '
        'machine on one day.')
    say()
    machine()

    if 'engine' in what:
        part('engine', bench_engine.main, names)
    if 'quant' in what:
        import bench_quant
        part('quant', bench_quant.main)
    if 'start' in what:
        import bench_start
        part('start', bench_start.main)
    if 'trees' in what:
        import bench_trees
        part('trees', bench_trees.main)
    if 'json' in what:
        import bench_json
        part('json', bench_json.main)
    if 'http' in what:
        import bench_http
        part('http', bench_http.main)
    if 'image' in what:
        import bench_image
        part('image', bench_image.main)
    if 'peers' in what:
        import bench_peers
        part('peers', bench_peers.main)
    if 'batch' in what:
        import bench_batch
        part('batch', bench_batch.main)
    if 'texts' in what:
        import bench_texts
        part('texts', bench_texts.main)
    if 'fit' in what:
        import bench_fit
        part('fit', bench_fit.main)
    if 'train' in what:
        import bench_train
        part('train', bench_train.main)

    say()
    say('The whole took %.0f s; load %.2f at the end.'
        % (time.time() - START, os.getloadavg()[0]))

    if not asked:
        os.makedirs(ROOT + '/docs', exist_ok=True)
        with open(ROOT + '/docs/benchmarks.md', 'w') as f:
            f.write('\n'.join(report) + '\n')
        print('\nwritten to docs/benchmarks.md')


if __name__ == '__main__':
    main()
