# conf/examples/versions: a network of the mean squared error, as good as
# scikit-learn's; three versions by two searches, each answers by its number.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use MaasExample;
use Test::More;

my $e = example('versions');
my ($done) = $e->events('done');

is($done->{training}{weights}, 430, '10 * 20 + 20 + 20 * 10 + 10 weights');

# The tables of the searches: rate by loss of validation, the best first.

my @table = map {
    [map { [(split ' ', $_)[1, 3]] } $_ =~ /^(\d+ .*)$/mg]
} $e->{out} =~ /^(trial +validation_loss.*?)^models/msg;

is(scalar @table, 2, 'two searches');
is(scalar @{$table[0]}, 7, 'a grid of seven rates');
is(scalar @{$table[1]}, 8, 'eight rates at random');

for my $t (@table) {
    is_deeply([map { $_->[0] } @$t],
              [sort { $a <=> $b } map { $_->[0] } @$t], 'the best is first');
    cmp_ok($t->[0][1], '>', 0.001, 'and has a larger rate');
    cmp_ok($t->[0][1], '<', 0.1, 'but not the largest');
    cmp_ok($t->[0][0], '<', $done->{metrics}{validation_loss} / 2,
           'less than half the loss of the first version');
}

# Accuracy, recall and F1 of the versions on 500 rows that none of them saw,
# and of scikit-learn's network of the same layers, loss and optimiser with
# the same rate, over five seeds; its metrics of the predictions of version 2.

my (%score, $v);

for my $line (@{$e->{lines}}) {
    $v = $1 if $line =~ m{^\$ maas evaluate models/events/(\d)};
    $score{$v}{$1} = $2
        if $v && $line =~ /^(accuracy|recall_macro|f1_macro) +(\S+)$/;
}


my $sk = $e->python(<<'EOP' =~ s/RATE/$table[0][0][1]/r =~ s{TMP}{$tmp}r);
import json, sys
import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.metrics import accuracy_score
a = np.loadtxt(sys.argv[1] + '/events.csv', delimiter=',', skiprows=1)
b = np.loadtxt(sys.argv[1] + '/test.csv', delimiter=',', skiprows=1)
np.save('TMP/rows.npy', b[:, :10].astype('float32'))
out = []
for seed in range(5):
    m = MLPRegressor((20,), learning_rate_init=RATE, batch_size=32, alpha=0,
                     max_iter=30, n_iter_no_change=30, random_state=seed)
    p = m.fit(a[:800, :10], a[:800, 10:]).predict(b[:, :10])
    out.append(accuracy_score(b[:, 10], p.argmax(1)))
print(json.dumps(sorted(out)))
EOP

cmp_ok($score{2}{accuracy}, '>=', $sk->[0] - 0.01,
       "accuracy $score{2}{accuracy} of version 2; scikit-learn's: @$sk");
cmp_ok($score{1}{accuracy}, '<', $score{2}{accuracy} - 0.1,
       'version 1 is worse');
cmp_ok($score{3}{accuracy}, '>=', $sk->[0] - 0.01, 'version 3 is not');

$e->maas_json('run', 'models/events/2', '--json', '--input', "$tmp/rows.npy",
              '--output-dir', $tmp);
my ($npy) = glob("$tmp/*.npy") && grep { !/rows/ } glob("$tmp/*.npy");
my $metric = $e->python(<<'EOP' =~ s/FILE/$npy/r);
import json, sys
import numpy as np
from sklearn.metrics import accuracy_score, f1_score, recall_score
b = np.loadtxt(sys.argv[1] + '/test.csv', delimiter=',', skiprows=1)
p = np.load('FILE').argmax(1)
y = b[:, 10]
print(json.dumps({'accuracy': accuracy_score(y, p),
                  'recall_macro': recall_score(y, p, average='macro'),
                  'f1_macro': f1_score(y, p, average='macro')}))
EOP

close_to($score{2}{$_}, $metric->{$_}, 1e-6, "scikit-learn's $_")
    for qw(accuracy recall_macro f1_macro);

# Asked: the newest, and the first by its number in both dialects.

my ($new, $old, $old2, $status) = $e->answers;
my @run = map {
    $e->maas_json('run', "models/events/$_", '--json', '--input', 'row.json')
        ->{outputs}[0]{data}
} 1, 3;

is_deeply($new->{predictions}, $run[1], 'the newest is version 3');
is_deeply($old->{predictions}, $run[0], 'version 1, by its number');
is_deeply([$old2->{outputs}[0]{data}], $run[0], 'and by the other protocol');
is($old2->{model_version}, '1', 'which says so');
is(join(',', sort map { $_->{version} } @{$status->{model_version_status}}),
   '1,2,3', 'all are there');
like($e->{out}, qr/^\$ maas run models\/events\/1 .*\n\{"outputs"/m,
     'loaded without a server');

done_testing;
