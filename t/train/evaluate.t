#!/usr/bin/perl
# maas evaluate --predictions beside scikit-learn's functions: random and
# adversarial truth, labels, scores, weights; every number within 1e-9.
# evaluate_oracle.py makes the cases and compares.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

system('/usr/bin/python3', '-c', 'import sklearn') == 0
    or plan skip_all => 'python3-sklearn is not installed';

# not by exec, which would leave $tmp behind
exit(system('/usr/bin/python3', "$FindBin::Bin/evaluate_oracle.py",
            "$build/maas", $tmp) != 0);
