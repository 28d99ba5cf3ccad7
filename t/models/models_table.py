#!/usr/bin/python3
"""The table of docs/models.md, from the records of the tests.

    models_table.py BUILD TEST.t...

Each test of TEST.t left a record in BUILD/models/work/records; one that was
skipped left none.  With MAAS_WRITE=1 its section of the table is written
anew, the others stay as they are.  Without, the models, their sources and
what is tested must be those of the table: figures belong to a machine and
are only looked at by the tests, which have limits for them.
"""

import json
import math
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PAGE = ROOT + '/docs/models.md'
MARK = '<!-- made by make test-models with MAAS_WRITE=1 -->\n'
HEAD = ('| model | from | tested | against | relative L2 | max error | |\n'
        '| --- | --- | --- | --- | --- | --- | --- |\n')


def figure(x):
    """Rounded up to 1, 2 or 5 of a power of ten."""
    if x == 0:
        return '0'
    if not math.isfinite(x):
        return str(x)
    e = math.floor(math.log10(x))
    for step in (1, 2, 5):
        if x <= step * 10.0 ** e * 1.0001:
            return '%de%d' % (step, e)
    return '1e%d' % (e + 1)


def names(text):
    """The columns of a section that do not depend on the machine."""
    return [tuple(re.split(r' \| ', line)[:4])
            for line in text.split('\n') if line.startswith('| ')]


def section(record):
    text = '\n## %s\n\n`t/models/%s`\n\n' % (record['title'], record['test'])
    text += HEAD
    for r in record['rows']:
        text += '| %s | %s | %s | %s | %s | %s | %s |\n' % (
            r['model'], r['source'], ', '.join(r['tested']), r['oracle'],
            figure(r['l2']), figure(r['max']), 'pass' if r['ok'] else 'FAIL')
    return text


def sections(text):
    """{test: section} of the page below the mark."""
    got = {}
    for part in re.split(r'(?m)^(?=\n## )', text):
        m = re.search(r'^`t/models/(.*)`$', part, re.M)
        if m:
            got[m.group(1)] = part
    return got


def main():
    folder = sys.argv[1] + '/models/work/records'
    with open(PAGE) as f:
        head, mark, table = f.read().partition(MARK)
    if not mark:
        sys.exit('%s: the line %s is missing' % (PAGE, MARK.strip()))

    now, bad = sections(table), 0
    for test in map(os.path.basename, sys.argv[2:]):
        path = '%s/%s.json' % (folder, test)
        if not os.path.exists(path):
            print('# docs/models.md: %s left no record' % test)
            continue
        with open(path) as f:
            made = section(json.load(f))
        if os.environ.get('MAAS_WRITE'):
            now[test] = made
        elif names(made) != names(now.get(test, '')):
            sys.stderr.write(
                'docs/models.md: the section of %s is another one.  Write it '
                'with MAAS_WRITE=1 make test-models.  It should be:\n%s'
                % (test, made))
            bad = 1

    if os.environ.get('MAAS_WRITE'):
        with open(PAGE, 'w') as f:
            f.write(head + mark + ''.join(now[k] for k in sorted(now)))
    return bad


if __name__ == '__main__':
    sys.exit(main())
