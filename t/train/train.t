# maas train: networks on real data; the same bits whatever the number of
# threads and however often it is killed; versions; what is said of mistakes;
# a full disk.

use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep time);

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->canonical;

system($python, '-c', <<'EOP', $tmp) == 0 or BAIL_OUT('scikit-learn');
import sys
from sklearn.datasets import load_diabetes, load_digits, load_iris
def write(name, d, names, label):
    with open(sys.argv[1] + '/' + name, 'w') as f:
        f.write(','.join(names) + ',' + label + '\n')
        for x, y in zip(d.data, d.target):
            y = d.target_names[y] if name == 'iris.csv' else y
            f.write(','.join('%r' % v for v in x) + ',%s\n' % y)
d = load_iris()
write('iris.csv', d, ['sl', 'sw', 'pl', 'pw'], 'species')
d = load_digits()
write('digits.csv', d, ['p%d' % i for i in range(64)], 'digit')
d = load_diabetes()
write('diabetes.csv', d, d.feature_names, 'progress')
EOP

my $n = 0;

# A specification as a file, with members changed.

sub spec {
    my ($base, %more) = @_;

    return spew("$tmp/spec" . ++$n . '.json',
                $json->encode({ %$base, %more }));
}


sub train { return maas('train', '--json', @_) }


sub events {
    my ($r, $what) = @_;

    return grep { $_->{event} eq $what } map { json($_) }
           split /\n/, $r->{out};
}


my $iris = {
    name => 'iris', seed => 3,
    data => { path => 'iris.csv', target => 'species',
              split => { validation => 0.2, test => 0.1,
                         stratify => JSON::PP::true } },
    model => { type => 'network', layers => [
        { type => 'dense', units => 16, activation => 'relu' },
        { type => 'dense', units => 3, activation => 'softmax' } ] },
    optimizer => { type => 'adam', learning_rate => 0.01 },
    epochs => 40, batch_size => 16
};

my $digits = {
    name => 'digits', seed => 1,
    data => { path => 'digits.csv', target => 'digit',
              split => { validation => 0.2 } },
    model => { type => 'network', input => { shape => [1, 8, 8] }, layers => [
        { type => 'normalize', scale => 0.0625 },
        { type => 'conv2d', filters => 16, kernel_size => 3,
          activation => 'relu' },
        { type => 'maxpool' },
        { type => 'flatten' },
        { type => 'dropout', rate => 0.1 },
        { type => 'dense', units => 10, activation => 'softmax' } ] },
    loss => 'categorical_crossentropy',
    optimizer => { type => 'adam', learning_rate => 0.003 },
    epochs => 4, batch_size => 32
};


# a version

my $r = train(spec($iris));
is($r->{status}, 0, 'iris is learned') or diag($r->{err});
is($r->{err}, '', '  without a word on stderr');

my ($done) = events($r, 'done');
my @epoch = events($r, 'epoch');

is(scalar @epoch, 40, '  a line of JSON each epoch');
cmp_ok($epoch[-1]{validation_accuracy}, '>', 0.85, '  rows unseen are known');
cmp_ok($done->{metrics}{test_accuracy}, '>', 0.85, '  so are the test rows');
is($done->{version}, 1, '  it is version 1');

my $dir = "$tmp/models/iris/1";
is(slurp("$dir/labels.txt"), "setosa\nversicolor\nvirginica\n", 'labels.txt');

my $model = json(slurp("$dir/model.json"));
is($json->encode($model->{input}{features}), '["sl","sw","pl","pw"]',
   'model.json: names of columns');
is($model->{output}{meaning}, 'classes', '  and the meaning of the output');

my $lineage = json(slurp("$dir/lineage.json"));
is($lineage->{data}{train} + $lineage->{data}{validation}
   + $lineage->{data}{test}, 150, 'lineage.json: rows');
like($lineage->{data}{digest}, qr/^[0-9a-f]{64}$/, '  digest of the data');
is($lineage->{specification}{optimizer}{type}, 'adam', '  specification');
is(scalar @{$lineage->{history}}, 40, '  history');

$r = maas('run', $dir, '--input', npy("$tmp/x.npy", [2, 4], 5.1, 3.5, 1.4, 0.2,
                           6.3, 3.3, 6.0, 2.5));
is($r->{status}, 0, 'the version runs') or diag($r->{err});

is(train(spec($iris, epochs => 1))->{status}, 0, 'once more');
ok(-e "$tmp/models/iris/2/model.onnx", '  is version 2');
is(join(' ', glob "$tmp/models/iris/.train/checkpoint*"), '',
   'no checkpoint is left');
is(join(' ', glob "$tmp/models/iris/.new*"), '', 'nothing half-written');


# onnxruntime is not needed to know that the file is well-formed

is(system($python, '-c', 'import onnx, sys; onnx.checker.check_model('
          . 'onnx.load(sys.argv[1]))', "$dir/model.onnx"), 0,
   'the ONNX checker accepts it');


# threads

for my $t (1, 2, 3) {
    $r = train('--threads', $t, '--output', "$tmp/t$t", spec($digits));
    is($r->{status}, 0, "digits, $t threads") or diag($r->{err});
    ($done) = events($r, 'done');
    cmp_ok($done->{metrics}{validation_accuracy}, '>', 0.9, '  are learned');
    is(slurp("$tmp/t$t/digits/1/model.onnx"),
       slurp("$tmp/t1/digits/1/model.onnx"), '  to the same bits');
}


# killed, and resumed

sub killed {
    my ($name, $path, $whole, @more) = @_;

    my $kills = 0;
    my $out = "$tmp/$name";
    srand 7;

    for my $turn (0 .. 60) {
        my $before = (stat "$out/digits/.train/checkpoint")[1] // 0;
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            open STDOUT, '>', "$tmp/$name.out";
            open STDERR, '>', "$tmp/$name.err";
            exec "$build/maas", 'train', '--json', '--resume', '--output',
                 $out, @more, $path;
        }

        # Of the time that it takes without a break.
        my $until = time + $whole * (0.2 + rand 0.4);
        my $status;

        while (time < $until) {
            last if ($status = waitpid $pid, WNOHANG) > 0;
            sleep 0.002;
        }

        # The machine was busy with other things when it was timed.
        if ($status > 0 && $kills == 0 && $whole > 0.001) {
            remove_tree($out);
            $whole /= 4;
            next;
        }

        if ($status > 0) {
            is($?, 0, "$name: ended after $kills kills")
                or diag(slurp("$tmp/$name.err"));
            return $kills;
        }

        kill 'KILL', $pid;
        waitpid $pid, 0;
        $kills++;

        # Or it is busier now, and no step was made.
        $whole *= 1.5
            if ((stat "$out/digits/.train/checkpoint")[1] // 0) == $before;
    }

    fail("$name: never ended");
    return 0;
}


my $path = spec($digits, epochs => 8, checkpoint => { steps => 3 },
                optimizer => { type => 'adam', learning_rate => 0.003,
                               accumulate => 2 },
                early_stopping => { patience => 3 },
                schedule => { type => 'reduce_on_plateau', patience => 0,
                              factor => 0.5 });

my $start = time;
$r = train('--output', "$tmp/whole", $path);
is($r->{status}, 0, 'without a break') or diag($r->{err});
cmp_ok(killed('broken', $path, time - $start), '>', 0, 'it was killed');
is(slurp("$tmp/broken/digits/1/model.onnx"),
   slurp("$tmp/whole/digits/1/model.onnx"), 'resumed: the same bits');

my @history = map { json(slurp("$tmp/$_/digits/1/lineage.json"))->{history} }
              qw(whole broken);
is($json->encode($history[1]), $json->encode($history[0]),
   'resumed: the same history');

# A signal that can be caught ends it with a checkpoint.

my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', "$tmp/term.err";
    exec "$build/maas", 'train', '--json', '--output', "$tmp/term",
         '--set', 'epochs=100000', '--set', 'early_stopping.patience=100000',
         $path;
}
wait_until($pid, sub { -e "$tmp/term/digits/.train/checkpoint" });
kill 'TERM', $pid;
waitpid $pid, 0;
is($? >> 8, 1, 'SIGTERM ends it');
like(slurp("$tmp/term.err"), qr/stopped at step \d+.*--resume/,
     '  and says how to go on');

$r = train('--resume', '--output', "$tmp/term", $path);
is($r->{status}, 1, 'a checkpoint of another specification');
like($r->{err}, qr/another specification or other data/, '  is refused');

spew("$tmp/term/digits/.train/checkpoint", 'MAASCKPT' . 'x' x 200);
$r = train('--resume', '--output', "$tmp/term", $path);
like($r->{err}, qr/no checkpoint of this version/, 'garbage is refused');


# folds

$r = train(spec($iris, name => 'folds', folds => 3, epochs => 20,
                data => { path => 'iris.csv', target => 'species',
                          split => { stratify => JSON::PP::true } }));
is($r->{status}, 0, 'three folds') or diag($r->{err});
is(scalar events($r, 'fold'), 3, '  each is told');
($done) = events($r, 'done');
cmp_ok($done->{metrics}{folds_accuracy}, '>', 0.8, '  their mean');
ok(defined $done->{metrics}{folds_accuracy_std}, '  and deviation');


# numbers, several targets, one class of two

$r = train(spec($iris, name => 'diabetes', epochs => 60, batch_size => 32,
                data => { path => 'diabetes.csv', target => 'progress',
                          split => { validation => 0.2 } },
                model => { type => 'network', layers => [
                    { type => 'dense', units => 16, activation => 'relu' },
                    { type => 'dense', units => 1 } ] },
                metrics => ['r2', 'rmse'],
                optimizer => { type => 'adam', learning_rate => 0.1 }));
is($r->{status}, 0, 'a regression') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{validation_r2}, '>', 0.3, '  explains the rest');

spew("$tmp/two.csv", "a,b,y\n" . join '', map {
    my ($a, $b) = (rand(2) - 1, rand(2) - 1);
    "$a,$b," . ($a + $b > 0 ? 'yes' : 'no') . "\n" } 1 .. 200);
$r = train(spec($iris, name => 'two', epochs => 30,
                data => { path => 'two.csv', target => 'y',
                          split => { validation => 0.2 } },
                model => { type => 'network', layers => [
                    { type => 'dense', units => 10, activation => 'relu' },
                    { type => 'dense', units => 1,
                      activation => 'sigmoid' } ] },
                loss => { type => 'binary_crossentropy',
                          class_weight => 'balanced' }));
is($r->{status}, 0, 'two classes by one number') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{validation_accuracy}, '>', 0.9, '  are told apart');


# steps before a network; categories are encoded

spew("$tmp/mix.csv", "size,color,weight,price\n" . join '', map {
    my ($s, $w, $c) = (rand 10, rand 100, int rand 3);
    sprintf "%s,%s,%.3f,%.3f\n", $_ % 50 == 7 ? '' : sprintf('%.3f', $s),
            (qw(red green blue))[$c], $w, 3 * $s + 5 * $c + $w / 20
    } 1 .. 300);
my $mix = { name => 'mix', epochs => 60, metrics => ['r2'],
            data => { path => 'mix.csv', target => 'price',
                      split => { validation => 0.2, test => 0.1 } },
            pipeline => [ { type => 'impute' }, { type => 'scale' } ],
            model => { type => 'network', layers => [
                { type => 'dense', units => 16, activation => 'relu' },
                { type => 'dense', units => 1 } ] },
            optimizer => { type => 'adam', learning_rate => 0.01 } };
$r = train(spec($mix));
is($r->{status}, 0, 'steps before a network') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{test_r2}, '>', 0.8, '  which learns');
like(maas('inspect', "$tmp/models/mix/1")->{out},
     qr/color +string\[N,1\]/, '  and takes the columns');

$r = train(spec($mix, pipeline => []));
like($r->{err}, qr/column "size" has rows without a value/,
     'a network without a step that fills them');
is(train(spec($mix, folds => 2, epochs => 2))->{status}, 0,
   'steps are fitted by folds');


# All components say what the features say; a step may follow them.

my @r2 = map {
    my ($one) = events(train(spec($mix, name => 'pca', pipeline => [ @$_ ],
        data => { path => 'diabetes.csv', target => 'progress',
                  split => { test => 0.3 } },
        model => { type => 'linear_regression' })), 'done');
    $one->{metrics}{test_r2} // 9
} [], [ { type => 'pca', whiten => JSON::PP::true }, { type => 'scale' } ],
  [ { type => 'pca', components => 1 } ];
cmp_ok(abs($r2[0] - $r2[1]), '<', 1e-5, 'components before a regression');
cmp_ok($r2[2], '<', $r2[0] - 0.1, '  fewer of them');


# estimators go the same way

$r = train(spec($iris, name => 'logistic',
                model => { type => 'logistic_regression' }));
is($r->{status}, 0, 'an estimator') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{test_accuracy}, '>', 0.8, '  with its measures');
is($json->encode(json(slurp("$tmp/models/logistic/1/model.json"))->{input}),
   '{"features":["sl","sw","pl","pw"],"name":"X"}', '  and model.json');

$r = train(spec($iris, name => 'ridge', folds => 4,
                data => { path => 'diabetes.csv', target => 'progress' },
                model => { type => 'ridge' }));
is($r->{status}, 0, 'an estimator by folds') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{folds_r2}, '>', 0.3, '  with their mean');

$r = train(spec($iris, name => 'groups',
                data => { path => 'iris.csv', features => ['pl', 'pw'] },
                model => { type => 'k_means' }));
is($r->{status}, 0, 'an estimator without a target') or diag($r->{err});


# images: a folder a class; bright left or bright right

system($python, '-c', <<'EOP', $tmp) == 0 or BAIL_OUT('images');
import os, random, struct, sys, zlib
random.seed(5)
def chunk(kind, data):
    return (struct.pack('>I', len(data)) + kind + data
            + struct.pack('>I', zlib.crc32(kind + data)))
for k, name in enumerate(('left', 'right')):
    os.makedirs('%s/sides/%s' % (sys.argv[1], name))
    for i in range(40):
        rows = b''.join(b'\0' + bytes(random.randrange(100)
                                      + (120 if (x < 4) == (k == 0) else 0)
                                      for x in range(8) for c in range(3))
                        for y in range(8))
        with open('%s/sides/%s/%d.png' % (sys.argv[1], name, i), 'wb') as f:
            f.write(b'\x89PNG\r\n\x1a\n'
                    + chunk(b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0))
                    + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
EOP

my ($image, $label) = ('image', 'label');
my $show = maas('dataset', 'import', "$tmp/sides", '-o', "$tmp/sides.maasds");
my @columns = map { $_->{name} }
              @{json(maas('dataset', 'show', '--json',
                          "$tmp/sides.maasds")->{out})->{columns} // []};
$r = train(spec($iris, name => 'sides', epochs => 12,
                data => { path => 'sides', features => [$columns[0]],
                          target => $columns[1],
                          split => { validation => 0.2 },
                          augment => { noise => 0.05,
                                       flip_vertical => 0.5 } },
                model => { type => 'network', layers => [
                    { type => 'conv2d', filters => 4, kernel_size => 3,
                      activation => 'relu' },
                    { type => 'maxpool' }, { type => 'flatten' },
                    { type => 'dense', units => 2,
                      activation => 'softmax' } ] }));
is($r->{status}, 0, 'images, augmented') or diag($r->{err}, "@columns");
($done) = events($r, 'done');
cmp_ok($done->{metrics}{validation_accuracy}, '>', 0.9, '  are learned');
is($json->encode(json(slurp("$tmp/models/sides/1/model.json"))->{input}),
   '{"image":{"color":"RGB","height":8,"layout":"NCHW",'
   . '"scale":0.00392156862745098,"width":8},"name":"image"}',
   '  and the version takes images');


# early stopping

$r = train(spec($iris, name => 'early', epochs => 400,
                early_stopping => { patience => 2 },
                optimizer => { type => 'adam', learning_rate => 0.1 }));
($done) = events($r, 'done');
cmp_ok($done->{training}{epochs}, '<', 400, 'early stopping');
is($done->{training}{epochs}, $done->{training}{best_epoch} + 3,
   '  so many epochs after the best');


# divergence

$r = train(spec($iris, name => 'wild', epochs => 200,
                loss => 'categorical_crossentropy',
                optimizer => { type => 'sgd', learning_rate => 1e30 }));
is($r->{status}, 1, 'training that diverges fails');
like($r->{err}, qr/diverged at step \d+, in epoch \d+: /, '  at its step');

# A loss that stays finite: clipped steps of a rate that is far too large.
# The checkpoint from before is kept.
my $wild = spec($iris, name => 'wild', epochs => 400,
                optimizer => { type => 'sgd', learning_rate => 1e5,
                               clip_norm => 1 },
                checkpoint => { steps => 1 });
$r = train($wild, '--output', "$tmp/wild");
is($r->{status}, 1, 'losses a thousand times the first');
like($r->{err}, qr/diverged at step (\d+): the loss has been above 1?[\d.e+]+ (?#
     )since, now it is [\d.e+]+, and it was [\d.]+ at first; a smaller (?#
     )learning_rate, or clip_norm, may help; the last checkpoint from before/,
     '  said with their first step');
my ($from) = $r->{err} =~ /at step (\d+)/;
ok(-e "$tmp/wild/wild/.train/checkpoint", '  a checkpoint is kept');
ok(!-e "$tmp/wild/wild/1", '  no version');
my $again = train($wild, '--output', "$tmp/wild", '--resume');
is($again->{err}, $r->{err}, '  resumed from it, it is the same');
$r = train($wild, '--output', "$tmp/wild", '--set', 'epochs=4');
like($r->{err}, qr/diverged at step $from: /, '  a run that ends wild');
$r = train($wild, '--output', "$tmp/wild", '--set', 'epochs=4', '--set',
           'early_stopping={"patience":9}');
like($r->{err}, qr/diverged at step $from: /,
     '  and one whose best epoch is no better');


# mistakes

for (['latin', "k\xe4se"], ['broken', "\"k\nl\""]) {
    spew("$tmp/$_->[0].csv", "x,y\n" . "1,ham\n2,$_->[1]\n" x 9);
}

my @wrong = (
    [ { epoch => 3 }, 'unknown key "epoch"; did you mean "epochs"?' ],
    [ { epochs => 'x' }, '"epochs" is the text "x", expected an integer' ],
    [ { name => '../x' }, '"name" is "../x", expected' ],
    [ { data => { path => 'nowhere.csv', target => 'y' } },
      'nowhere.csv: No such file' ],
    [ { data => { path => 'iris.csv', target => 'specie' } },
      'did you mean "species"?' ],
    [ { data => { path => 'iris.csv', target => 'species',
                  feature => ['sl'] } }, 'did you mean "features"?' ],
    [ { data => { path => 'iris.csv' } }, 'a network needs a "target"' ],
    [ { data => { path => 'latin.csv', target => 'y' } },
      "column \"y\": the class \"k\xe4se\" is not UTF-8; save" ],
    [ { data => { path => 'broken.csv', target => 'y' } },
      "column \"y\": the class \"k\nl\" has a line break" ],
    [ { model => { type => 'netwrk' } }, 'did you mean "network"?' ],
    [ { model => { type => 'network', layers => [
          { type => 'dense', units => 4 } ] } },
      'the last layer makes [N,4], but there are 3 classes' ],
    [ { model => { type => 'network', layers => [
          { type => 'conv2d', filters => 3, kernel_size => 3 } ] } },
      'model: layers[0] (conv2d): takes an image [N,C,H,W], got [N,4]' ],
    [ { model => { type => 'network', input => { shape => [2, 3] },
                   layers => [ { type => 'flatten' } ] } },
      '"shape" [2,3] has 6 elements, a row of the data 4' ],
    [ { loss => 'crossentrpy' }, 'loss: unknown type "crossentrpy"; did' ],
    [ { loss => 'mse' }, 'mean_squared_error takes numbers, "species"' ],
    [ { optimizer => { type => 'adam', learning_rat => 1 } },
      'did you mean "learning_rate"?' ],
    [ { schedule => 'cosin' }, 'did you mean "cosine"?' ],
    [ { metrics => ['acuracy'] }, 'did you mean "accuracy"?' ],
    [ { metrics => ['mae'] }, 'does not fit the loss' ],
    [ { early_stopping => { monitor => 'validation_mae' } },
      'neither the loss nor among the metrics' ],
    [ { folds => 1 }, '"folds" is 1' ],
    [ { data => { path => 'iris.csv', target => 'species',
                  split => { validation => 0.6, test => 0.6 } } },
      'data: split: shares of 0.6' ],
);

for my $w (@wrong) {
    $r = train(spec($iris, %{$w->[0]}));
    is($r->{status}, 1, $json->encode($w->[0]));
    like($r->{err}, qr/\Q$w->[1]/, '  says why');
}

$r = train(spew("$tmp/bad.json", "{\n\"name\": \"x\",\n}\n"));
like($r->{err}, qr/bad\.json: line 3, column \d+/, 'bad JSON: its line');

$r = train("$tmp/none.json");
like($r->{err}, qr/none\.json: No such file/, 'no specification');

is(maas('train')->{status}, 2, 'which specification?');

$path = spec($iris, name => 'set');
$r = train('--set', 'model.layers.0.units=5', '--set', 'epochs=1', '--set',
           'schedule.type=cosine', $path);
is($r->{status}, 0, '--set') or diag($r->{err});
$lineage = json(slurp("$tmp/models/set/1/lineage.json"));
is($lineage->{specification}{model}{layers}[0]{units}, 5, '  an item');
is($lineage->{specification}{schedule}{type}, 'cosine', '  a new object');
like(train('--set', 'model.layers.9.units=5', $path)->{err},
     qr/--set model\.layers\.9\.units=5: "9" is neither/, '--set, wrong');

spew("$tmp/gap.csv", "a,b,y\n1,2,x\n3,,z\n4,5,x\n");
$r = train(spec($iris, data => { path => 'gap.csv', target => 'y' },
                model => { type => 'network', layers => [
                    { type => 'dense', units => 2,
                      activation => 'softmax' } ] }));
like($r->{err}, qr/row 2 has no value in column "b"/, 'a missing value');


# Targets of each step: classes, those below 0 left out.

system($python, '-c', <<'EOP', $tmp) == 0 or BAIL_OUT('numpy');
import numpy as np, sys
r = np.random.default_rng(1)
x = r.standard_normal((400, 6, 3)).astype(np.float32)
s = x.copy()
s[:, 1:] += x[:, :-1]
y = s.argmax(2)
y[:, 4:] = np.where(y[:, :1] == 0, -1, y[:, 4:])
np.savez(sys.argv[1] + '/steps.npz', x=x, y=y)
y[7, 2] = 3
np.savez(sys.argv[1] + '/far.npz', x=x, y=y)
with open(sys.argv[1] + '/names.csv', 'w') as f:
    f.write('a,b,c,d,y,z\n')
    for i in range(40):
        f.write('%g,%g,%g,%g,%s,%s\n' % (*r.standard_normal(4),
                'uv'[i % 2], 'vu'[i % 2]))
EOP

my $steps = {
    name => 'steps', seed => 1, epochs => 30, batch_size => 32,
    data => { path => 'steps.npz', target => 'y', features => ['x'],
              split => { validation => 0.2 } },
    model => { type => 'network', input => { shape => [6, 3] }, layers => [
        { type => 'lstm', units => 16, return_sequences => JSON::PP::true },
        { type => 'dense', units => 3, activation => 'softmax' } ] },
    loss => 'categorical_crossentropy',
    optimizer => { type => 'adam', learning_rate => 0.02 }
};
$r = train(spec($steps));
is($r->{status}, 0, 'a class of each step') or diag($r->{err});
my ($tagged) = events($r, 'done');
cmp_ok($tagged->{metrics}{validation_accuracy}, '>', 0.9, '  is learned');

$r = train(spec($steps, data => { %{$steps->{data}}, path => 'far.npz' }));
is($r->{status}, 1, 'a class that is none');
like($r->{err}, qr/row 8: 3 in column "y" is no class of 0 \.\.\. 2/,
     '  says where');

$r = train(spec($steps, data => { path => 'names.csv',
                                  target => ['y', 'z'] },
                model => { type => 'network', input => { shape => [2, 2] },
                           layers => [ { type => 'dense', units => 2 } ] }));
is($r->{status}, 1, 'names at each step');
like($r->{err}, qr/column "y".*numbers/, '  are no numbers');


# data that do not fit

sub says {
    my ($what, $rows, $model, $want, %data) = @_;

    spew("$tmp/bad.csv", $rows);
    my $r = train(spec({ name => 'bad', data => { path => 'bad.csv',
                         target => 'y', %data }, model => $model }));
    is($r->{status}, 1, $what);
    like($r->{err}, $want, '  which is said');
}


my $logistic = { type => 'logistic_regression' };
says('the target among the features', "a,y\n1,p\n2,q\n", $logistic,
     qr/data: "features": "y" is the target as well/, features => ['a', 'y']);
says('names for numbers', "a,y\n1,p\n2,q\n", { type => 'ridge' },
     qr/ridge cannot learn "y": it learns numbers, and the column is of names/);
says('an infinite number', "a,b,y\n1,2,p\n3,inf,q\n", $logistic,
     qr/data: column "b" has an infinite number/);
says('a network of infinite numbers', "a,b,y\n1,2,p\n3,-inf,q\n",
     { type => 'network', layers => [ { type => 'dense', units => 2 } ] },
     qr/data: column "b" has an infinite number/);
says("$_->[0] a number beyond float32", "a,b,y\n1,2,p\n3,-1e39,q\n",
     $_->[1], qr/data: column "b" has -1e\+39; models take float32, up to 3\.4/)
    for [ 'an estimator:', $logistic ],
        [ 'a network:', { type => 'network', layers => [
                          { type => 'dense', units => 2 } ] } ];
$r = train(spec({ name => 'bad', data => { path => 'bad.csv', target => 'y' },
                  pipeline => [ { type => 'impute' }, { type => 'scale' } ],
                  model => $logistic }));
like($r->{err}, qr/data: column "b" has -1e\+39; models/, 'before steps, too');
says('a name twice', "a,a,y\n1,2,p\n3,4,q\n", $logistic,
     qr/bad.csv: line 1: columns 1 and 2 are both called "a"/);
says('a line that is short', "a,b,y\n1,2,p\n3,q\n", $logistic,
     qr/bad.csv: line 3 has 2 fields, and the header has 3/);
says('a quote that does not end', "a,b,y\n1,2,p\n3,\"4,q\n5,6,p\n",
     $logistic, qr/bad.csv: line 3, field 2: a field in quotes does not end/);
says('one class', "a,y\n1,p\n2,p\n", $logistic,
     qr/all rows are of one class, 'p'/);
says('numbers with a word among them',
     join('', "a,y\n", map { ($_ == 300 ? 'oops' : $_ / 7) . ','
                             . ($_ % 2 ? 'p' : 'q') . "\n" } 1 .. 600),
     $logistic, qr/column "a" is text: .*\(text since line 301, (?#
                )which is "oops"; numbers before/);
$r = train($tmp);
like($r->{err}, qr/Is a directory/, 'a folder is no specification');


# a full disk: files may not grow beyond so many KiB

for my $limit (1, 4, 16, 24) {
    my $out = "$tmp/full$limit";
    my $path = spec($digits, checkpoint => { steps => 1 }, epochs => 1);

    # The data are imported before, the disk is full for what comes then.
    if ($limit > 1) {
        system("mkdir -p $out/digits/.train");
        system("cp $tmp/models/digits/.train/*.maasds "
               . "$out/digits/.train/ 2>/dev/null");
    }

    $r = run('/bin/bash', '-c', "ulimit -f $limit; exec $build/maas train "
             . "--json --output $out $path");
    is($r->{status}, 1, "$limit KiB are too few");
    like($r->{err}, qr/File too large|No space/, '  which is said');
    ok(!-e "$out/digits/1", '  no version');
    is(join(' ', glob "$out/digits/.new* $out/digits/.train/*.new"), '',
       '  nothing half-written');
}


# one at a time

$path = spec($digits, name => 'lock', epochs => 100000);
$pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDOUT, '>', '/dev/null';
    exec "$build/maas", 'train', '--json', $path;
}
wait_until($pid, sub { -e "$tmp/models/lock/.train/checkpoint" });
like(train($path)->{err}, qr/another process trains this model/,
     'a model is trained once at a time');
kill 'KILL', $pid;
waitpid $pid, 0;

done_testing();
