# conf/examples/linear: scikit-learn's coefficients, those of the formula
# within their errors, and the answers that they give.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use MaasExample;
use Test::More;

my $e = example('linear');
my ($done) = $e->events('done');

is(run('perl', "$root/conf/examples/linear/data.pl")->{out},
   slurp("$root/conf/examples/linear/flats.csv"), "flats.csv is data.pl's");

my @shown = $e->{out} =~ /^    (\S+),(\S+),(\S+); (\S+)$/m;
is(scalar @shown, 4, 'three coefficients and an intercept are shown');

# Standard errors are those of least squares with noise of deviation 20.

my $sk = $e->python(<<'EOP');
import json, sys
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
d = np.loadtxt(sys.argv[1] + '/flats.csv', delimiter=',', skiprows=1)
x, y = d[:, :3], d[:, 3]
m = LinearRegression().fit(x, y)
q = np.c_[x, np.ones(len(x))]
se = 20 * np.sqrt(np.diag(np.linalg.inv(q.T @ q)))
r2 = [cross_val_score(m, x, y, cv=KFold(5, shuffle=True, random_state=i))
      .mean() for i in range(5)]
print(json.dumps({'coef': list(m.coef_) + [m.intercept_], 'se': list(se),
                  'r2': min(r2)}))
EOP

my @truth = (9.5, -4, 60, 150);

for my $i (0 .. 3) {
    close_to($shown[$i], $sk->{coef}[$i], 1e-9 * abs $sk->{coef}[$i],
             "coefficient $i is scikit-learn's");
    close_to($shown[$i], $truth[$i], 3 * $sk->{se}[$i],
             "and that of the formula within three errors");
}

cmp_ok($done->{metrics}{folds_r2}, '>=', $sk->{r2} - 0.001,
       "R2 over five folds; scikit-learn's is at least $sk->{r2}");

# One flat through the Open Inference Protocol, two as a table whose columns
# are in another order.

my ($one, $two) = $e->answers;
my @flats = ([60, 10, 1], [35.5, 40, 0]);
my @rent = map {
    my $f = $_;
    my $r = $shown[3];
    $r += $shown[$_] * $f->[$_] for 0 .. 2;
    $r
} @flats;

close_to($one->{outputs}[0]{data}[0], $rent[0], 1e-3, 'the sum, served');
close_to($two->{outputs}{prediction}[$_][0], $rent[$_], 1e-3, "row $_")
    for 0, 1;

spew("$tmp/flats.json", '[[60, 10, 1], [35.5, 40, 0]]');
my $run = $e->maas_json('run', 'models/rent', '--json', '--input',
                        "$tmp/flats.json");
is_deeply($two->{outputs}{prediction}, $run->{outputs}[0]{data},
          'is what maas run says');

done_testing;
