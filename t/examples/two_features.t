# conf/examples/two_features: as accurate as scikit-learn's network, and what
# is served is what the command computes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use MaasExample;
use Test::More;

my $e = example('two_features');
my ($done) = $e->events('done');

is($done->{version}, 1, 'version 1');
is($done->{training}{weights}, 41, '2 * 10 + 10 + 10 + 1 weights');

# scikit-learn's MLPClassifier with the same layers, optimiser, rate, batches
# and epochs, on five splits and starts of its own.

my $scores = $e->python(<<'EOP');
import json, sys
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
d = np.loadtxt(sys.argv[1] + '/circle.csv', delimiter=',', skiprows=1)
out = []
for seed in range(5):
    a, b, c, e = train_test_split(d[:, :2], d[:, 2], test_size=0.25,
                                  random_state=seed)
    m = MLPClassifier((10,), learning_rate_init=0.02, batch_size=32, alpha=0,
                      max_iter=100, n_iter_no_change=100, random_state=seed)
    out.append(m.fit(a, c).score(b, e))
print(json.dumps(sorted(out)))
EOP

cmp_ok($done->{metrics}{test_accuracy}, '>=', $scores->[0] - 0.01,
       "accuracy $done->{metrics}{test_accuracy} of 100 rows; scikit-learn's "
       . "are @$scores");
cmp_ok($done->{metrics}{test_accuracy}, '>=', 0.95, 'at least 95 %');

# Served, and asked for by tensorflow's API.

my ($answer) = $e->answers;
my $served = $answer->{predictions};

is(scalar @$served, 2, 'two predictions');
cmp_ok($served->[0][0], '>', 0.95, 'near the middle is inside');
cmp_ok($served->[1][0], '<', 0.05, 'a corner is not');

spew("$tmp/two.json", '[[0.1, 0.2], [0.9, -0.8]]');
my $run = $e->maas_json('run', 'models/circle', '--json', '--input',
                        "$tmp/two.json");
is_deeply($served, $run->{outputs}[0]{data}, 'is what maas run says');

done_testing;
