# maas tune: each way of searching, over a network and an estimator; a trial
# scores what maas train measures; the version, its lineage; mistakes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasCli;
use Test::More;

my $json = JSON::PP->new->canonical;
my $n = 0;

srand(5);
spew("$tmp/points.csv", join '', "x,y,side\n", map {
    my ($x, $y) = map { sprintf '%.4f', rand(2) - 1 } 1 .. 2;
    "$x,$y," . ($x * $y > 0 ? 'same' : 'other') . "\n"
} 1 .. 300);


sub spec {
    my ($base, %more) = @_;

    return spew("$tmp/spec" . ++$n . '.json',
                $json->encode({ %$base, %more }));
}


sub events {
    my ($r, $what) = @_;

    return grep { $_->{event} eq $what } map { json($_) }
           split /\n/, $r->{out};
}


my $net = {
    name => 'points', seed => 1, store => 'store',
    data => { path => 'points.csv', target => 'side',
              split => { validation => 0.25 } },
    model => { type => 'network', layers => [
        { type => 'dense', units => 8, activation => 'relu' },
        { type => 'dense', units => 2 },
    ] },
    optimizer => { type => 'adam', learning_rate => 0.01 },
    epochs => 6, batch_size => 32,
};

my $grid = { type => 'grid', fields => {
    'optimizer.learning_rate' => [0.0001, 0.001, 0.03],
    'model.layers[0].units' => [4, 16],
} };


# -- a grid ------------------------------------------------------------------

my $path = spec($net, search => $grid);
my $r = maas('tune', $path);
is($r->{status}, 0, 'a grid') or diag($r->{err});

my @trial = events($r, 'trial');
my ($search) = events($r, 'search');
my ($done) = events($r, 'done');
my @order = @{$search->{trials}};

is(scalar @trial, 6, 'six trials');
is($search->{metric}, 'validation_loss', 'by the loss of validation');
is($search->{goal}, 'min', 'which is to be small');
is_deeply([map { $_->{score} } @order],
          [sort { $a <=> $b } map { $_->{score} } @trial],
          'the table is in order');
is($order[0]{values}{'optimizer.learning_rate'}, 0.03,
   'the largest of the rates learns most in six epochs');
ok(!grep({ /"event":"epoch"/ } $r->{out}), 'no epochs between');

# A trial is the training that its values describe.

for my $t (@order[0, 3]) {
    my $v = $t->{values};
    my $one = maas('train', $path, '--output', "$tmp/other", '--set',
                   "optimizer.learning_rate=$v->{'optimizer.learning_rate'}",
                   '--set', "model.layers.0.units="
                            . $v->{'model.layers[0].units'});
    my ($d) = events($one, 'done');

    cmp_ok(abs($d->{metrics}{validation_loss} - $t->{score}), '<=',
           1e-8 * $t->{score}, "trial $t->{trial} scores as maas train");
}

# The version.

is($done->{version}, 1, 'one version, of the best');
cmp_ok(abs($done->{metrics}{validation_loss} - $order[0]{score}), '<=',
       1e-8 * $order[0]{score}, 'with its score');

my $lineage = json(slurp("$tmp/store/points/1/lineage.json"));
is_deeply($lineage->{search}{trials}, \@order, 'the lineage has the table');
is($lineage->{specification}{optimizer}{learning_rate}, 0.03,
   'and the values that were taken');
ok(!exists $lineage->{specification}{search}, 'in a plain specification');
ok(!-e "$tmp/store/points/.train/checkpoint", 'no checkpoint is left');

$r = maas('tune', '--text', '--no-version', $path);
is($r->{status}, 0, 'as text');
my @line = split /\n/, $r->{out};
is($line[0] =~ s/ +/ /gr, 'trial validation_loss seconds '
   . 'model.layers[0].units optimizer.learning_rate', 'a heading');
is(scalar @line, 7, 'and six rows');
like($line[1], qr/^$order[0]{trial} /, 'the best first');
ok(!-e "$tmp/store/points/2", 'and no version');


# -- random, halving, folds --------------------------------------------------

my $random = { type => 'random', trials => 5, seed => 7, metric =>
               'validation_accuracy', fields => { 'optimizer.learning_rate' =>
               { min => 0.0001, max => 0.1, log => JSON::PP::true } } };

$path = spec($net, search => $random);
$r = maas('tune', '--no-version', $path);
is($r->{status}, 0, 'random') or diag($r->{err});
($search) = events($r, 'search');
is($search->{goal}, 'max', 'an accuracy is to be large');
is(scalar @{$search->{trials}}, 5, 'five trials');
is((grep { my $v = $_->{values}{'optimizer.learning_rate'};
           $v >= 0.0001 && $v <= 0.1 } @{$search->{trials}}), 5, 'in range');

my $plain = sub {
    return $json->encode([map { [@$_{qw(trial values score)}] }
                          @{$_[0]{trials}}]);
};
my ($again) = events(maas('tune', '--no-version', '--threads', 1, $path),
                     'search');
is($plain->($again), $plain->($search), 'the same again, on one thread');

$r = maas('tune', '--no-version', spec($net, search => {
    type => 'halving', trials => 9, resource => 'epochs', min => 1, max => 9,
    factor => 3, fields => $random->{fields} }));
is($r->{status}, 0, 'halving') or diag($r->{err});
($search) = events($r, 'search');
is_deeply([map { $_->{resource} } @{$search->{trials}}],
          [9, (3) x 3, (1) x 9], '9 trials of 1 epoch, 3 of 3, 1 of 9');
is($search->{best}{epochs}, 9, 'the best has them all');

my $forest = {
    name => 'forest', seed => 1, store => 'store',
    data => { path => 'points.csv', target => 'side' },
    model => { type => 'decision_tree', max_depth => 1 },
    search => { type => 'grid', folds => 4, metric => 'validation_accuracy',
                fields => { 'model.max_depth' => [1, 2, 6] } },
};

$r = maas('tune', spec($forest));
is($r->{status}, 0, 'a tree by folds') or diag($r->{err});
($search) = events($r, 'search');
my $best = $search->{trials}[0];
is($best->{values}{'model.max_depth'}, 6, 'deep enough for a cross');
cmp_ok($best->{score}, '>', 0.9, "accuracy $best->{score} over the folds");
is(scalar @{$best->{folds}}, 4, 'of each fold');

my ($fold) = events(maas('train', spec($forest, folds => 4), '--set',
                         'model.max_depth=6', '--output', "$tmp/other"),
                    'done');
cmp_ok(abs($fold->{metrics}{folds_accuracy} - $best->{score}), '<', 1e-8,
       'is the mean that maas train finds over its folds');


# -- mistakes ----------------------------------------------------------------

my @wrong = (
    [spec($net), qr/the specification has no "search": \{"type": "grid"/],
    [spec($net, search => { %$grid, type => 'gird' }), qr/search: .*"gird"/],
    [spec($net, search => { type => 'grid', fields => { 'optimiser.rate' =>
                            [1] } }), qr/search: fields: .*optimiser/],
    [spec($net, search => { %$grid, metric => 'validation_los' }),
     qr/"goal"|nothing is called "validation_los"/],
    [spec($forest, search => { type => 'grid', metric => 'validation_accuracy',
                               fields => { 'model.max_depth' => [1] } }),
     qr/"validation_accuracy"; this training measures accuracy; "folds" of/],
    [spec($forest, folds => 3), qr/"folds" are of the search or of the/],
    [spec($net, search => { type => 'grid', fields => {
                            'optimizer.learning_rate' => [-1] } }),
     qr/all 1 trials failed; trial 0: optimizer: .*learning_rate/],
);

for my $w (@wrong) {
    $r = maas('tune', $w->[0]);
    is($r->{status}, 1, "$w->[1]");
    like($r->{err}, $w->[1], 'is said');
}

is(maas('tune')->{status}, 2, 'without a specification');
is(maas('tune', '--json', '--text', $path)->{status}, 2, 'both');

# A trial that diverges is the last one; the others count.

$r = maas('tune', '--no-version', spec($net, search => { type => 'grid',
          fields => { 'optimizer.learning_rate' => [1e30, 0.01] } }));
is($r->{status}, 0, 'one that diverges') or diag($r->{err});
($search) = events($r, 'search');
is($search->{trials}[1]{values}{'optimizer.learning_rate'}, 1e30,
   'comes last');
like($search->{trials}[1]{error}, qr/^training diverged at step/,
     'with its error');


# -- ended by a signal -------------------------------------------------------

my $pid = fork // die;

if ($pid == 0) {
    open STDOUT, '>', "$tmp/long.out";
    open STDERR, '>', "$tmp/long.err";
    exec "$build/maas", 'tune', spec($net, epochs => 200, search => {
        %$random, trials => 5000 });
}

wait_until($pid, sub { slurp("$tmp/long.out") =~ /"trial":2,/ });
kill 'TERM', $pid;
waitpid $pid, 0;
is($? >> 8, 1, 'SIGTERM: exit code 1');
like(slurp("$tmp/long.err"), qr/^maas tune: .*stopped/m, 'is said');
ok(!-e "$tmp/store/points/2", 'no version');

done_testing;
