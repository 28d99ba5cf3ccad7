"""JSON both ways on one core, beside Jansson.  The work is bench_json.c."""

import json

from bench_base import BUILD, SECONDS, note, run, say, table


def main():
    note('JSON')
    got = json.loads(run(BUILD + '/bench_json', 4 * SECONDS))
    note('')

    rows = [[r['text'], '%.2f' % (r['bytes'] / 1e6), '%.0f' % r['read'],
             '%.0f' % r['jansson_read'], '%.0f' % r['write'],
             '%.0f' % r['jansson_write']] for r in got['rows']]

    say()
    say('## JSON, one core')
    say()
    say('A 1x3x224x224 tensor of float32 as nested lists, in MB of text a '
        'second of thread CPU time; written in the shortest form that reads '
        'back (Schubfach). Jansson %s reads and writes with 9 digits through '
        'its tree; %s.' % (got['jansson'],
                           'both read the same values'
                           if all(r['same'] for r in got['rows'])
                           else 'THE VALUES DIFFER'))
    say()
    table(['text', 'MB', 'read MB/s', 'Jansson', 'write MB/s', 'Jansson'],
          rows)
