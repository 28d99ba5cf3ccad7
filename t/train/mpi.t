# mpirun -n N maas train: the same network as one process makes; errors of one
# rank, killed ranks, signals.  Skipped without Open MPI.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use JSON::PP;
use List::Util qw(max);
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep time);

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->canonical;
my ($mpirun) = grep { -x } map { "$_/mpirun" } split /:/, $ENV{PATH};

$ENV{OMPI_ALLOW_RUN_AS_ROOT} = $ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} = 1;

# The machine does other things too.

$ENV{OMPI_MCA_mpi_yield_when_idle} = 1;
$ENV{OMPI_MCA_hwloc_base_binding_policy} = 'none';
$ENV{OMPI_MCA_odls_base_sigkill_timeout} = 0;

# A library that cannot be loaded.

mkdir "$tmp/lib";
spew("$tmp/lib/libmpi.so.40", 'no library');

my $r;
{
    local @ENV{qw(OMPI_COMM_WORLD_SIZE LD_LIBRARY_PATH)} = (2, "$tmp/lib");
    $r = maas('train', spew("$tmp/none.json", '{}'));
}
is($r->{status}, 1, 'a rank without the library of Open MPI');
like($r->{err}, qr/package libopenmpi3: .*libmpi\.so\.40/,
     '  says which package has it');

if (!$mpirun || run($mpirun, '-n', 1, 'true')->{status} != 0) {
    diag('not tested: mpirun (openmpi-bin) is not there, or does not run');
    done_testing();
    exit;
}

srand 5;
spew("$tmp/rows.csv", join(',', 'a' .. 'f', 'y') . "\n" . join '', map {
    my @x = map { sprintf '%.4f', rand(2) - 1 } 1 .. 6;
    my $s = $x[0] * $x[1] + $x[2] - $x[3] * $x[4];
    join(',', @x, $s > 0.3 ? 'high' : $s < -0.3 ? 'low' : 'middle') . "\n"
} 1 .. 501);

my $base = {
    name => 'net', seed => 9,
    data => { path => 'rows.csv', target => 'y',
              split => { validation => 0.2, test => 0.1 } },
    pipeline => [ { type => 'scale' } ],
    model => { type => 'network', layers => [
        { type => 'dense', units => 21, activation => 'relu' },
        { type => 'dropout', rate => 0.1 },
        { type => 'dense', units => 3, activation => 'softmax' } ] },
    loss => { type => 'categorical_crossentropy',
              class_weight => 'balanced' },
    optimizer => { type => 'adam', learning_rate => 0.01 },
    epochs => 8, batch_size => 27
};

# Rows enough for four parts; g is c but for rounding; m is missing at times.

spew("$tmp/tall.csv", join(',', 'a' .. 'h', qw(m y yes kind)) . "\n" . join '',
     map {
    my @x = map { sprintf '%.4f', 100 * $_ + rand(2) - 1 } 1 .. 6;
    my ($a, $b, $c) = map { $x[$_ - 1] - 100 * $_ } 1 .. 3;
    my $s = 2 * $a - $b + $a * $c + rand;
    join(',', @x, $x[2] + 1e-9 * rand(1), int(rand(5)), rand(1) < 0.1 ? '' : $c,
         sprintf('%.5f', $s), $s > 0.5 ? 'yes' : 'no',
         (qw(high low middle))[$s > 1 ? 0 : $s < 0 ? 1 : 2]) . "\n"
} 1 .. 4200);

my $files = 0;

sub spec {
    return spew("$tmp/spec" . ++$files . '.json',
                $json->encode({ %$base, @_ }));
}


sub mpi {
    my ($n, @argv) = @_;

    return run('timeout', 60, $mpirun, '--oversubscribe', '-n', $n,
               "$build/maas", 'train', '--json', @argv);
}


sub events {
    my ($r, $what) = @_;

    return grep { ($_->{event} // '') eq $what } map { json($_) }
           split /\n/, $r->{out};
}


sub near {
    my ($x, $y) = @_;

    return abs($x - $y) <= 1e-5 * (abs($y) + 1e-3);
}


# The largest difference of two models' weights, and the largest weight.

sub apart {
    my ($one, $two) = @_;

    my $py = <<'EOP';
import onnx, sys
import numpy as np
from onnx import numpy_helper as h
a, b = ({t.name: h.to_array(t) for t in onnx.load(p).graph.initializer
         if t.data_type == 1} for p in sys.argv[1:])
assert a.keys() == b.keys()
print(max(np.abs(a[k] - b[k]).max() / np.abs(b[k]).max() for k in a))
EOP
    my $r = run($python, '-c', $py, map { "$tmp/$_/net/1/model.onnx" }
                $one, $two);
    return $r->{out} =~ /^([\d.e+-]+)$/ ? $1 : diag($r->{err}) && 9;
}


# -- the same as one process -------------------------------------------------

# Statistics of a batch are those of all ranks' rows.  Biases before them
# would have no gradient but rounding, which Adam makes large.

my @normed = (
    { type => 'reshape', target_shape => [ 2, 3 ] },
    { type => 'conv1d', filters => 20, kernel_size => 3, padding => 'same',
      use_bias => JSON::PP::false },
    { type => 'batch_norm', momentum => 0.9 },
    { type => 'activation', function => 'relu' },
    { type => 'flatten' },
    { type => 'dense', units => 9, use_bias => JSON::PP::false },
    { type => 'batch_norm' },
    { type => 'dense', units => 3, activation => 'softmax' }
);

for my $case ([ 'adam' ],
              [ 'accumulated', optimizer => { type => 'sgd', momentum => 0.9,
                                              learning_rate => 0.05,
                                              accumulate => 3,
                                              clip_norm => 1 } ],
              [ 'normalised', model => { type => 'network',
                                         layers => \@normed } ],
              [ 'normalised and accumulated', batch_size => 5,
                epochs => 3, model => { type => 'network',
                                        layers => \@normed },
                optimizer => { type => 'sgd', learning_rate => 0.05,
                               accumulate => 2 } ])
{
    my ($name, @more) = @$case;
    my $path = spec(@more);
    my $one = maas('train', '--json', '--output', "$tmp/$name.one", $path);
    my @one = events($one, 'epoch');

    is($one->{status}, 0, "$name: one process") or diag($one->{err});

    for my $n ($name eq 'accumulated' ? 2 : $name =~ / and / ? 4
                : (1, 2, 4))
    {
        my $out = "$name.$n";
        $r = mpi($n, '--output', "$tmp/$out", $path);
        is($r->{status}, 0, "$name: $n ranks") or diag($r->{err});

        my @epoch = events($r, 'epoch');
        my @bad = grep {
            my $i = $_;
            grep { !near($epoch[$i]{$_} // 9, $one[$i]{$_}) }
            qw(loss accuracy validation_loss validation_accuracy)
        } 0 .. $#one;

        is(scalar @epoch, scalar @one, '  a line an epoch');
        is("@bad", '', '  with losses and metrics of one process');
        my $apart = apart("$name.one", $out);
        cmp_ok($apart, '<', $n == 1 ? 1e-30 : 2e-5, '  and its weights');

        my ($done) = events($r, 'done');
        ok(near($done->{metrics}{test_loss}, (events($one, 'done'))[0]
                {metrics}{test_loss}), '  and its loss of the test rows');
        is($done->{training}{ranks} // 1, $n, '  which says how many');
        ok(!-e "$tmp/$out/net/2", '  and is one version');
    }
}

$r = mpi(2, '--threads', 2, '--output', "$tmp/again", spec());
is($r->{status}, 0, '2 ranks again') or diag($r->{err});
ok(slurp("$tmp/again/net/1/model.onnx")
   eq slurp("$tmp/adam.2/net/1/model.onnx"), '  make the same bits');

$r = mpi(4, '--output', "$tmp/small", spec(batch_size => 3, epochs => 1));
is($r->{status}, 0, 'batches of fewer rows than ranks') or diag($r->{err});
maas('train', '--json', '--output', "$tmp/small.one",
     spec(batch_size => 3, epochs => 1));
cmp_ok(apart('small.one', 'small'), '<', 2e-5, '  are the same too');

$r = mpi(2, '--output', "$tmp/folds", spec(folds => 2, epochs => 2,
    data => { path => 'rows.csv', target => 'y' }));
is($r->{status}, 0, 'folds') or diag($r->{err});
is(scalar events($r, 'fold'), 2, '  are told once');


# -- models that are fitted --------------------------------------------------

for my $model ({ type => 'random_forest', trees => 7 },
               { type => 'extra_trees', trees => 5, bootstrap => JSON::PP::true },
               { type => 'isolation_forest', trees => 9,
                 contamination => 0.1 },
               { type => 'k_means', k => 4, starts => 5 })
{
    my $name = $model->{type};
    my $data = { path => 'rows.csv', target => 'y' };

    if ($name =~ /isolation|means/) {
        delete $data->{target};
        $data->{features} = [ 'a' .. 'f' ];
    }

    my $path = spec(model => $model, data => $data);

    is(maas('train', '--json', '--output', "$tmp/$name.one", $path)->{status},
       0, "$name: one process");

    for my $n (2, 4) {
        $r = mpi($n, '--output', "$tmp/$name.$n", $path);
        is($r->{status}, 0, "$name: $n ranks") or diag($r->{err});
        ok(slurp("$tmp/$name.$n/net/1/model.onnx")
           eq slurp("$tmp/$name.one/net/1/model.onnx"), '  the same bits');
        is((events($r, 'done'))[0]{training}{ranks}, $n, '  by all');
    }
}


# What is a sum over rows: parts of rows are shared, or columns of histograms.

sub metrics {
    my ($done) = events(@_, 'done');
    my %t = %{$done->{training}};

    delete @t{grep { /seconds|threads|ranks|per_second/ } keys %t};
    return { %{$done->{metrics}}, training => \%t };
}


my %score;
my $six = [ 'a' .. 'f' ];
my $seven = [ 'a' .. 'g' ];

for my $case (
    [ 'least squares', 'y', $six, { type => 'linear_regression' } ],
    [ 'least squares of columns that depend', 'y', $seven,
      { type => 'linear_regression' } ],
    [ 'ridge', 'y', $seven, { type => 'ridge', alpha => 2 } ],
    [ 'lasso', 'y', $six, { type => 'lasso', alpha => 0.01 } ],
    [ 'elastic net', 'y', $six,
      { type => 'elastic_net', alpha => 0.01, l1_ratio => 0.3 } ],
    [ 'logistic', 'yes', $six, { type => 'logistic_regression' } ],
    [ 'softmax', 'kind', $six, { type => 'softmax_regression' } ],
    [ 'SVM', 'kind', $six, { type => 'linear_svm' } ],
    [ 'normal Bayes', 'kind', $six, { type => 'naive_bayes' } ],
    [ 'counts', 'kind', [ 'h', 'f' ],
      { type => 'naive_bayes', kind => 'multinomial' } ],
    [ 'yes and no', 'kind', [ 'h', 'f' ],
      { type => 'naive_bayes', kind => 'bernoulli', threshold => 2 } ],
    [ 'boosting', 'y', [ 'a' .. 'e' ],
      { type => 'gradient_boosting', iterations => 9 } ],
    [ 'boosting of classes', 'kind', [ @$six, 'm' ],
      { type => 'gradient_boosting', iterations => 60, learning_rate => 0.4,
        early_stopping => JSON::PP::true, patience => 3 } ],
    [ 'one column', 'yes', [ 'a' ],
      { type => 'gradient_boosting', iterations => 3 } ],
    [ 'components', 'y', $six, { type => 'linear_regression' },
      { type => 'pca' } ],
    [ 'fewer parts than ranks', 'y', [ 'a' .. 'e' ],
      { type => 'naive_bayes' }, 'rows.csv' ])
{
    my ($name, $target, $features, $model, $more) = @$case;
    my $path = spec(
        model => $model, pipeline => ref $more ? [ $more ] : [],
        data => { path => $more && !ref $more ? $more : 'tall.csv',
                  target => $target, features => $features,
                  split => { test => 0.02 } });
    my $one = maas('train', '--json', '--output', "$tmp/$name.one", $path);

    is($one->{status}, 0, "$name: one process") or diag($one->{err});

    for my $n ($name =~ /^(softmax|boosting of|fewer)/ ? 4 : 2) {
        $r = mpi($n, '--output', "$tmp/$name.$n", $path);
        is($r->{status}, 0, "$name: $n ranks") or diag($r->{err});
        ok(slurp("$tmp/$name.$n/net/1/model.onnx")
           eq slurp("$tmp/$name.one/net/1/model.onnx"), '  the same bits');
        is_deeply(metrics($r), metrics($one), '  and metrics');
        is((events($r, 'done'))[0]{training}{ranks}, $n, '  by all');
        $score{$name} = metrics($r)->{test_r2};
    }
}

cmp_ok(abs($score{components} - $score{'least squares'}), '<', 1e-5,
       'all components say what the features say');


# -- searches ----------------------------------------------------------------

sub tune {
    my ($n, @argv) = @_;

    return run('timeout', 60, $mpirun, '--oversubscribe', '-n', $n,
               "$build/maas", 'tune', '--json', @argv);
}


# A table without the seconds.

sub rows {
    my ($search) = @_;

    return [ map { my %t = %$_; delete $t{seconds}; \%t }
             @{$search->{trials}} ];
}


my $rate = { min => 0.001, max => 0.1, log => JSON::PP::true };

for my $case ([ 'a grid', 3, { type => 'grid', fields => {
                    'optimizer.learning_rate' => [ 0.001, 0.01, 1e30 ],
                    'model.layers[0].units' => [ 5, 9 ] } } ],
              [ 'halving with folds', 2,
                { type => 'halving', trials => 5, resource => 'epochs',
                  min => 1, max => 4, factor => 2, folds => 2,
                  metric => 'validation_accuracy',
                  fields => { 'optimizer.learning_rate' => $rate } } ])
{
    my ($name, $n, $search) = @$case;
    my $path = spec(search => $search, epochs => 2, name => 'tuned',
                    data => { path => 'rows.csv', target => 'y',
                              $search->{folds} ? ()
                              : (split => { validation => 0.2 }) });
    my ($one) = events(maas('tune', '--json', '--no-version', $path),
                       'search');
    $r = tune($n, '--output', "$tmp/tuned.$n", $path);
    is($r->{status}, 0, "$name by $n ranks") or diag($r->{err});

    my ($all) = events($r, 'search');
    is_deeply(rows($all), rows($one), '  has the table of one process');
    is_deeply($all->{best}, $one->{best}, '  and its best');
    is(scalar events($r, 'trial'), scalar @{$one->{trials}},
       '  trials are told once');
    is(join(' ', map { s/.*\///r } glob "$tmp/tuned.$n/tuned/*"), '1',
       '  there is one version');
    is(scalar glob("$tmp/tuned.$n/tuned/.train/rank*"), undef,
       '  and nothing of the ranks is left');
}


# -- a rank is killed --------------------------------------------------------

sub start {
    my ($command, @argv) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$tmp/start.out";
        open STDERR, '>', "$tmp/start.err";
        exec $mpirun, '--oversubscribe', '-n', 2, "$build/maas", $command,
             '--json', @argv;
    }

    return $pid;
}


sub rank_of {
    my ($mpi, $rank) = @_;
    my $found = 0;

    wait_until($mpi, sub {
        ($found) = grep { slurp("/proc/$_/environ")
                          =~ /\0OMPI_COMM_WORLD_RANK=$rank\0/ }
                   split ' ', slurp("/proc/$mpi/task/$mpi/children");
        return $found;
    });

    return $found;
}


sub ended {
    my ($pid) = @_;

    for (my $until = time + 60; time < $until; sleep 0.01) {
        return 1 if waitpid($pid, WNOHANG) > 0;
    }

    kill 'KILL', $pid;
    waitpid $pid, 0;
    return 0;
}


sub saved {
    my ($out) = @_;

    return (stat "$tmp/$out/net/.train/checkpoint")[1] // 0;
}


# Until there is a new checkpoint.

sub until_saved {
    my ($pid, $out, $old) = @_;

    return wait_until($pid, sub { saved($out) != $old });
}


my $long = spec(epochs => 100, checkpoint => { steps => 10 });

is(mpi(2, '--output', "$tmp/whole", $long)->{status}, 0, 'without a break');

for my $rank (1, 0) {
    my $old = saved('broken');
    my $pid = start('train', '--resume', '--output', "$tmp/broken", $long);
    my $victim = rank_of($pid, $rank);
    ok(until_saved($pid, 'broken', $old), "rank $rank is killed");
    kill 'KILL', $victim if $victim;
    ok(ended($pid), '  and mpirun ends');
    isnt($?, 0, '  with an error');
    is(join(' ', glob "$tmp/broken/net/[1-9.]*/model.onnx"), '',
       '  and no version');
}

$r = mpi(2, '--resume', '--output', "$tmp/broken", $long);
is($r->{status}, 0, '--resume goes on') or diag($r->{err});
my $went = () = events($r, 'epoch');
cmp_ok($went, '<', 100, '  from where it was');
ok(slurp("$tmp/broken/net/1/model.onnx")
   eq slurp("$tmp/whole/net/1/model.onnx"), '  to the same bits');

my $pid = start('train', '--output', "$tmp/term", '--set', 'epochs=1000000', $long);
until_saved($pid, 'term', 0);
my $one = rank_of($pid, 1);
kill 'TERM', $one if $one;
ok(ended($pid), 'SIGTERM at one rank ends all');
like(slurp("$tmp/start.err"), qr/stopped at step \d+.*--resume/,
     '  after a step, with a checkpoint');


# -- errors are told once ----------------------------------------------------

sub fails {
    my ($r, $text, $name) = @_;

    my $n = () = $r->{err} =~ /$text/g;
    ok($r->{status} != 0 && $r->{status} != 124 && $n == 1, $name)
        or diag("$r->{status}, $n times: $r->{err}");
}


fails(mpi(4, spec(name => 'wild', epochs => 200,
                  optimizer => { type => 'sgd', learning_rate => 1e30 })),
      'diverged at step \d+, in epoch \d+', 'training that diverges');
ok(!-e "$tmp/models/wild/1", '  makes no version');

fails(mpi(2, spec(data => { path => 'nowhere.csv', target => 'y' })),
      'nowhere.csv: No such file', 'no data');
fails(mpi(2, spec(model => { type => 'decision_tree' })),
      '"decision_tree" is fitted by one process', 'a model without parts');
fails(mpi(2, spec(model => { type => 'linear_svm', loss => 'hinge' })),
      '"linear_svm" with "loss" "hinge" is fitted by one process',
      'a loss without parts');
fails(mpi(2, spec(model => { type => 'naive_bayes',
                             kind => 'multinomial' })),
      'counts are not below 0', 'what all ranks see');
fails(mpi(2, spec(model => { type => 'random_forest', trees => 0 })),
      '"?trees"? is 0', 'a forest of no trees');
fails(mpi(4, spec(name => 'wild', epochs => 200, model => {
                      type => 'network', layers => \@normed },
                  optimizer => { type => 'sgd', learning_rate => 1e38 })),
      'diverged at step \d+, in epoch \d+', 'one with statistics');

# A search goes on from the trials that any rank made, with another number of
# ranks, too.

my $many = spec(name => 'many', epochs => 30, search => { type => 'random',
                trials => 10, fields => { 'optimizer.learning_rate' =>
                $rate } });
my $logs = "$tmp/many/many/.train";

sub made { return max(0, (() = slurp("$logs/search.$_[0]") =~ /\n/g) - 1) }

$r = tune(2, '--no-version', '--output', "$tmp/whole", $many);
is($r->{status}, 0, 'a search without a break') or diag($r->{err});
my ($want) = events($r, 'search');

# One that comes to its end before the signals come has no logs; then anew.
my ($ended, $made) = (1, 0);
for (1 .. 5) {
    $pid = start('tune', '--output', "$tmp/many", $many);
    if (wait_until($pid, sub { made(0) >= 1 && made(1) >= 1 })) {
        kill 'KILL', grep { $_ } map { rank_of($pid, $_) } 0, 1;
    }
    $ended &&= ended($pid);
    $made = made(0) + made(1);
    last if $made >= 2;
}
ok($ended, 'both ranks of a search are killed');
cmp_ok($made, '>=', 2, "  after $made trials");

$r = tune(3, '--resume', '--output', "$tmp/many", $many);
is($r->{status}, 0, '  three ranks resume it') or diag($r->{err});
is(scalar(grep { $_->{resumed} } events($r, 'trial')), $made,
   '  from all that were made');
my ($got) = events($r, 'search');
is_deeply(rows($got), rows($want), '  the same table');
is(join(' ', glob "$logs/search.[0-9]*"), '', '  and nothing is left');


fails(tune(2, spec()), 'has no "search"', 'nothing to search');
fails(tune(3, spec(search => { type => 'grid', fields => {
          'optimizer.learning_rate' => [ 1e30, 1e31, 1e32, 1e33 ] } })),
      'all 4 trials failed; trial 0: training diverged', 'all trials fail');

my @search = (search => { type => 'grid', fields => {
    'optimizer.learning_rate' => [ 0.1, 0.01 ] } });
fails(run('timeout', 60, $mpirun, '--oversubscribe', map {
          ('-n', 1, "$build/maas", 'tune', '--json', '--output',
           "$tmp/other", spec(@search, epochs => $_), ':')
      } 1, 2), 'rank 1 has another specification', 'another search');

my @other = ("$build/maas", 'train', '--json', '--output', "$tmp/other");
fails(run('timeout', 60, $mpirun, '--oversubscribe', '-n', 1, @other, spec(),
          ':', '-n', 1, @other, spec(epochs => 9)),
      'rank 1 has another specification', 'another specification');
fails(run('timeout', 60, $mpirun, '--oversubscribe', '-n', 1, @other, spec(),
          ':', '-n', 1, @other, "$tmp/nowhere.json"),
      'nowhere.json', 'a specification that only one rank has');

done_testing();
