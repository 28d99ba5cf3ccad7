#!/usr/bin/python3
"""Figures of this machine.  See run.sh."""

import os
import platform
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bench_batch
import bench_engine
import bench_http
import bench_json
import bench_trees
from bench_base import BUILD, MAAS, PAIRS, ROOT, SECONDS, report, run, say


def cpu_name():
    with open('/proc/cpuinfo') as f:
        for line in f:
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.machine()


def version(*cmd):
    import subprocess
    p = subprocess.run(cmd, capture_output=True, text=True)
    return (p.stdout + p.stderr).strip().split('\n')[0]


def machine():
    load = os.getloadavg()[0]
    with open('/proc/meminfo') as f:
        memory = int(f.readline().split()[1]) / 1048576
    commit = version('git', '-C', ROOT, 'describe', '--always', '--dirty')
    say('Machine: %s, %d cores, %.0f GiB, Linux %s; load %.2f at the start%s.'
        % (cpu_name(), os.cpu_count(), memory, platform.release(), load,
           '' if load < 1 else ' (not calm: read the ratios with care)'))
    say('Versions: ngx_maas %s, %s, node %s, %s.'
        % (commit if 'fatal' not in commit else 'without git',
           version('nginx', '-v').replace('nginx version: ', ''),
           version('node', '--version'), version('wrk', '-v').split(' [')[0]))
    say('Made %s by `make bench`: %d alternated pairs of %g s.'
        % (time.strftime('%Y-%m-%d'), PAIRS, SECONDS))


def main():
    every = ['engine', 'trees', 'json', 'http', 'batch']
    what = sys.argv[1:] or every
    start = time.time()

    say('# Benchmarks')
    say()
    say('Ratios of alternated runs (A B A B); absolute figures are of one '
        'machine on one day.')
    say()
    machine()

    if 'engine' in what:
        bench_engine.main()
    if 'trees' in what:
        bench_trees.main()
    if 'json' in what:
        bench_json.main()
    if 'http' in what:
        bench_http.main()
    if 'batch' in what:
        bench_batch.main()

    if what == every:
        os.makedirs(ROOT + '/docs', exist_ok=True)
        with open(ROOT + '/docs/benchmarks.md', 'w') as f:
            f.write('\n'.join(report) + '\n')
        print('\nwritten to docs/benchmarks.md; %.0f s' % (time.time() - start))


if __name__ == '__main__':
    main()
