#!/usr/bin/perl
# maas evaluate: a model over rows, predictions of a file, names of classes,
# the report, and mistakes.  t/train/evaluate.t compares the numbers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my %type = (i8 => ['<i8', 'q<*'], u1 => ['|u1', 'C*'], f8 => ['<f8', 'd<*'],
            f4 => ['<f4', 'f<*']);

sub array {
    my ($name, $type, $dims, @v) = @_;

    my $head = "{'descr': '$type{$type}[0]', 'fortran_order': False, "
               . "'shape': (" . join(', ', @$dims)
               . (@$dims == 1 ? ',' : '') . '), }';
    $head .= ' ' x ((-11 - length $head) % 64) . "\n";
    return spew("$tmp/$name.npy",
                "\x93NUMPY\x01\x00" . pack('v', length $head) . $head
                . pack($type{$type}[1], @v));
}

sub evaluate {
    my (@args) = @_;

    my $r = maas('evaluate', @args);
    is($r->{status}, 0, "evaluate @args") or diag $r->{err};
    return $r;
}

# 40 digits: the sample, shifted by a column at a time, with some noise.

my @pixels = map { /\d+/g } slurp("$digits/sample.json");
my (@x, @y);

for my $i (0 .. 39) {
    for my $k (0 .. 63) {
        push @x, ($pixels[($k + $i % 3) % 64] + ($k * 7 + $i * 5) % 4) % 17;
    }
    push @y, $i % 4 == 3 ? 8 : 7;
}

my $x = array('x', 'f4', [40, 1, 8, 8], @x);
my $y = array('y', 'i8', [40], @y);

# The same whatever the batches and threads.

my @model = ($digits, $x, '--truth', $y);
my $one = evaluate(@model, '--json', '--curves')->{out};
my $j = json($one);
is($j->{rows}, 40, 'all rows');
is(scalar @{$j->{classes}}, 10, 'the classes of labels.txt');
is($j->{classes}[7]{name}, '7', 'by name');
is($j->{classes}[8]{support}, 10, 'with their rows');

is(evaluate(@model, '--json', '--curves', @$_)->{out}, $one, "@$_")
    for ['--threads', 3], ['--batch', 7], ['--batch', 1, '--threads', 2];

# Other types are converted; scores of a file are the same as a run's.

my $u = array('u', 'u1', [40, 1, 8, 8], @x);
is_deeply(json(evaluate($digits, $u, '--truth', $y, '--json')->{out})
              ->{metrics}, $j->{metrics}, 'bytes as inputs');

array('first', 'f4', [16, 1, 8, 8], @x[0 .. 16 * 64 - 1]);
array('first_y', 'i8', [16], @y[0 .. 15]);
maas('run', $digits, '--input', "$tmp/first.npy", '--output-dir', "$tmp/out");
is_deeply(json(evaluate('--predictions', "$tmp/out/scores.npy", '--logits',
                        '--truth', "$tmp/first_y.npy", '--labels',
                        "$digits/labels.txt", '--json')->{out})->{metrics},
          json(evaluate($digits, "$tmp/first.npy", '--truth',
                        "$tmp/first_y.npy", '--json')->{out})->{metrics},
          'scores of a file');

# As text; some measures alone; names.

like(evaluate(@model)->{out}, qr/^rows +40\naccuracy +[\d.]+\n.*^7  +\d/ms,
     'a table');
is(evaluate(@model, '--metrics', 'accuracy,kappa')->{out}
       =~ s/[\d.]+(e-\d+)?$/N/gmr,
   join("\n", map { sprintf '%-28sN', $_ } qw(rows accuracy kappa)) . "\n",
   '--metrics');

my $p = array('p', 'i8', [5], 0, 1, 1, 0, 2);
my $t = array('t', 'i8', [5], 0, 1, 2, 0, 2);
spew("$tmp/abc.txt", "ant\nbee\ncow\n");
$j = json(evaluate('--predictions', $p, '--truth', $t, '--labels',
                   "$tmp/abc.txt", '--json')->{out});
is_deeply([map { $_->{name} } @{$j->{classes}}], [qw(ant bee cow)],
          '--labels');
is_deeply($j->{confusion}, [[2, 0, 0], [0, 1, 0], [0, 1, 1]],
          'the confusion matrix');

my $s = array('s', 'f8', [4], 0.1, 0.4, 0.35, 0.8);
my $b = array('b', 'i8', [4], 0, 0, 1, 1);
$j = json(evaluate('--predictions', $s, '--truth', $b, '--json')->{out});
is($j->{metrics}{roc_auc}, 0.75, 'one score a row: of the second class');
is($j->{positive}, '1', 'which is positive');
spew("$tmp/two.txt", "no\nyes\n");
$j = json(evaluate('--predictions', $s, '--truth', $b, '--labels',
                   "$tmp/two.txt", '--positive', 'yes', '--json')->{out});
is($j->{positive}, 'yes', '--positive');

my $n = array('n', 'f8', [3], 1.5, 2, 4);
like(evaluate('--predictions', $n, '--truth', $n)->{out}, qr/^r2 +1$/m,
     'numbers');
my $g = array('g', 'f8', [4, 1], 0, 1, 10, 11);
my $l = array('l', 'i8', [4], 0, 0, 1, 1);
like(evaluate('--predictions', $l, '--rows', $g, '--metrics', 'silhouette')
         ->{out}, qr/^silhouette +0\.899749$/m, 'clusters');
my $w = array('w', 'f8', [5], 1, 1, 0, 1, 1);
like(evaluate('--predictions', $p, '--truth', $t, '--weights', $w,
              '--metrics', 'accuracy')->{out}, qr/^accuracy +1$/m,
     '--weights');

# Datasets: columns side by side, by name, images; several targets.

system('/usr/bin/python3', "$root/t/data/make_evaluate.py", "$tmp/models");
BAIL_OUT('make_evaluate.py failed') if $?;

spew("$tmp/abc.csv", join "\n", 'a,b,kind,w,same', '1,0,ant,1,1',
     '0,1,bee,1,1', '0,0,cow,2,1', '0,.9,cow,3,1', '1,0,,1,1', '');
my @abc = ("$tmp/models/matrix.onnx", "$tmp/abc.csv", '--target', 'kind',
           '--features', 'a,b');
my $d = evaluate(@abc, '--json');
$j = json($d->{out});
is($j->{metrics}{accuracy}, 0.75, 'rows of a CSV file');
is_deeply([map { $_->{name} } @{$j->{classes}}], [qw(ant bee cow)],
          'its classes');
like($d->{err}, qr/rows without a truth that are left out: 1/,
     'a row without a truth');
is(json(evaluate(@abc, '--weight-column', 'w', '--json')->{out})
       ->{metrics}{accuracy}, 4 / 7, '--weight-column');
is(maas('dataset', 'import', "$tmp/abc.csv", '-o', "$tmp/abc.maasds")
       ->{status}, 0, 'a dataset');
is_deeply(json(evaluate($abc[0], "$tmp/abc.maasds", @abc[2 .. 5], '--json')
               ->{out})->{metrics}, $j->{metrics}, 'gives the same');
spew("$tmp/models/model.json",
     '{"input":{"name":"X","features":["a","b"]}}');
mkdir "$tmp/models/$_" for qw(m m/1);
rename "$tmp/models/model.json", "$tmp/models/m/1/model.json";
system('cp', "$tmp/models/matrix.onnx", "$tmp/models/m/1/model.onnx");
is_deeply(json(evaluate("$tmp/models/m", "$tmp/abc.csv", '--target', 'kind',
                        '--json')->{out})->{metrics}, $j->{metrics},
          'features of model.json');

spew("$tmp/people.csv", "city,age,target\nRome,10,21\nOslo,20,43\n"
     . "Oslo,1.5,5\nRome,3,7\n");
for (['--batch', 1], ['--threads', 2, '--batch', 2], []) {
    my $m = json(evaluate("$tmp/models/columns.onnx", "$tmp/people.csv",
                          '--json', @$_)->{out})->{metrics};
    is($m->{mae}, 0.25, "columns by name, @$_");
}
like(evaluate("$tmp/models/columns.onnx", "$tmp/people.csv", '--report',
              "$tmp/n.html")->{out}, qr/^r2 /m, 'with a report')
    if -e '/usr/share/javascript/chart.js/chart.min.js';

spew("$tmp/sq.csv", "X,y\n1,1\n2,4\n3,9\n4,16\n5,25\n6,37\n");
is(json(evaluate("$tmp/models/four.onnx", "$tmp/sq.csv", '--target', 'y',
                 '--json')->{out})->{metrics}{max_error}, 1,
   'a model of four rows at a time, six rows');

mkdir "$tmp/$_" for qw(images images/1 images/7);
system('cp', "$digits/sample.png", "$tmp/images/$_") for qw(1/a.png 7/b.png);
$j = json(evaluate($digits, "$tmp/images", '--json', '--curves')->{out});
is_deeply([$j->{rows}, $j->{metrics}{accuracy}], [2, 0.5],
          'a folder of images');
my $top = json(maas('run', $digits, '--input', "$digits/sample.png",
                    '--json')->{out})->{outputs}[0]{data}[0];
my $sum = 0;
$sum += exp $_ for @$top;
ok(abs($j->{metrics}{log_loss}
       - (log($sum) - ($top->[1] + $top->[7]) / 2)) < 1e-6,
   'prepared as the server does it');

# What the rows are imported to on the way is gone, whatever ends it.

mkdir "$tmp/scratch";
my $there = $ENV{TMPDIR};
$ENV{TMPDIR} = "$tmp/scratch";
evaluate("$tmp/models/columns.onnx", "$tmp/people.csv");
is_deeply([glob "$tmp/scratch/*"], [], 'nothing is left behind');

spew("$tmp/many.csv", "city,age,target\n" . "Rome,10,21\n" x 1_000_000);
for my $signal ('TERM', 'INT') {
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDOUT, '>', '/dev/null';
        exec "$build/maas", 'evaluate', "$tmp/models/columns.onnx",
             "$tmp/many.csv" or exit 127;
    }
    ok(wait_until($pid, sub { () = glob "$tmp/scratch/*" }), "SIG$signal");
    kill $signal, $pid;
    waitpid $pid, 0;
    is_deeply([glob "$tmp/scratch/*"], [], '  leaves nothing either');
}
$there ? ($ENV{TMPDIR} = $there) : delete $ENV{TMPDIR};
unlink "$tmp/many.csv";

# The report.  Names of the data stay text.

my $hostile = '</script><script>alert(1)</script>';
spew("$tmp/hostile.txt", "$hostile\n<!--<b>\n\"&'\n");
spew("$tmp/log.jsonl", join '', map {
    qq({"epoch":$_,"loss":1.$_,"validation_loss":2.$_,"<i>":3}\n) } 1 .. 5);
my @report = ('--predictions', array('three', 'f4', [4, 3], .8, .1, .1, .2,
                                     .6, .2, .3, .3, .4, .1, .8, .1),
              '--truth', array('truth3', 'i8', [4], 0, 1, 2, 2), '--labels',
              "$tmp/hostile.txt", '--report', "$tmp/r.html", '--log',
              "$tmp/log.jsonl", '--title', "$hostile");

SKIP: {
    if (!-e '/usr/share/javascript/chart.js/chart.min.js') {
        my $r = maas('evaluate', @report);
        is($r->{status}, 1, 'no Chart.js, no report');
        like($r->{err}, qr/apt-get install libjs-chart\.js/, 'says why');
        skip 'libjs-chart.js is not installed', 6;
    }

    evaluate(@report);
    my $page = slurp("$tmp/r.html");
    like($page, qr/\A<!doctype html>.*<\/html>\n\z/s, 'a page');
    unlike($page, qr/<script>alert/, 'no script of the data');
    is(() = $page =~ /<script/g, 3, 'three script elements');
    is(() = $page =~ /<\/script/g, 3, 'that end once each');
    my @part = split /<script>/, $page;
    unlike("$part[0]$part[2]", qr/(?:src|href)="(?!data:)|https?:/,
           'nothing from elsewhere');
    my ($data) = $page =~ /id="data">(.*?)<\/script>/s;
    is(json($data)->{curves}[0]{name}, $hostile, 'the name is whole');
    is_deeply([map { $_->{name} } @{json($data)->{log}}], ['loss', '<i>'],
              'the log');
    is_deeply([glob "$tmp/r.html.*"], [], 'nothing beside it');
}

# Mistakes.

array('nan', 'f8', [2, 2], .5, .5, 'nan', 1);
array('short', 'i8', [3], 0, 1, 1);
array('half', 'f8', [5], 0, .5, 1, 0, 2);
array('empty', 'i8', [0]);
array('wide', 'f8', [5, 3], (.2) x 15);
array('seven', 'i8', [5], 0, 1, 7, 0, 2);
array('rows5', 'f4', [5, 1, 8, 9], (0) x 360);
spew("$tmp/none.js", 'alert(1)');
spew("$tmp/twice.txt", "ant\nant\ncow\n");
spew("$tmp/bad.jsonl", "{\"epoch\":1,\"loss\":2}\n{\"epoch\"\n");
spew("$tmp/dull.jsonl", "{\"event\":\"start\"}\n");
my @pt = ('--predictions', $p, '--truth', $t);

for ([2, [], qr/which model, on which data\?/],
     [2, [$digits], qr/on which data\?/],
     [2, [$digits, $x, '--predictions', $p], qr/not both/],
     [2, [@pt, '--task', 'guess'], qr/expected classification, regression/],
     [1, [$digits, $x, '--truth', $p], qr/has 40 rows, and \S*p\.npy 5|p\.npy 5/],
     [1, [$digits, "$tmp/rows5.npy", '--truth', $t],
      qr/rows 0 to 4: input 'image'/],
     [1, [@pt, '--metrics', 'acuracy'],
      qr/no metric "acuracy"; did you mean "accuracy"\?/],
     [1, [@pt, '--metrics', 'r2'], qr/r2 is of numbers, and these are classes/],
     [1, [@pt, '--metrics', 'log_loss'], qr/log_loss needs scores/],
     [1, [@pt, '--metrics', 'f1'], qr/f1 is not for 3 classes/],
     [1, ['--predictions', $p], qr/what is true\?|clusters/],
     [1, ['--predictions', $p, '--truth', "$tmp/short.npy"],
      qr/p\.npy has 5 rows, and \S+short\.npy 3/],
     [1, ['--predictions', "$tmp/nan.npy", '--truth',
          array('two', 'i8', [2], 0, 1)],
      qr/row 1, column 0: the score is nan/],
     [1, ['--predictions', $p, '--truth', "$tmp/half.npy", '--task',
          'classification'], qr/half\.npy, row 1: 0\.5 is no class/],
     [1, ['--predictions', "$tmp/empty.npy", '--truth', $t],
      qr/empty\.npy: rows are expected, and the array is empty/],
     [1, ['--predictions', "$tmp/wide.npy", '--truth', "$tmp/seven.npy"],
      qr/has 4 classes, and there are 3 scores a row.*--labels/],
     [1, [@pt, '--labels', "$tmp/two.txt"],
      qr/row 2: "2" is none of the 2 classes/],
     [1, [@pt, '--labels', "$tmp/twice.txt"], qr/two classes are called "ant"/],
     [1, [@pt, '--positive', 'x'], qr/--positive is for two classes/],
     [1, [@pt, '--weights', "$tmp/short.npy"], qr/short\.npy 3/],
     [1, [@pt, '--labels', "$tmp/nowhere.txt"], qr/nowhere\.txt: No such/],
     [1, [@report, '--chart', "$tmp/none.js"], qr/none\.js: not Chart\.js/],
     [1, [@report, '--chart', "$tmp/no.js"], qr/no\.js: No such file/],
     [1, [@report, '--log', "$tmp/bad.jsonl"], qr/bad\.jsonl, line 2: /],
     [1, [@report, '--log', "$tmp/dull.jsonl"], qr/no line has an epoch/],
     [1, [@abc, '--features', 'a'],
      qr/abc\.csv: input "X" is float32 \[N,2\], and 1 column of it make 1/],
     [1, [@abc, '--features', 'a,bb'], qr/abc\.csv: .*"bb"/],
     [1, [@abc[0, 1]], qr/abc\.csv: which column is true\?  --target/],
     [1, [@abc[0, 1], '--target', 'kint'], qr/"kint".*"kind"/],
     [1, [@abc[0 .. 3]], qr/float32 \[N,2\]/],
     [1, ["$tmp/models/columns.onnx", "$tmp/abc.csv", '--target', 'a'],
      qr/abc\.csv: an input of the model: .*"age"/],
     [1, [$abc[0], "$tmp/people.csv", '--target', 'city', '--features',
          'age,target'], qr/labels of 4 of 4 rows are not those of the largest/],
     [1, [$abc[0], "$tmp/nowhere.csv"], qr/nowhere\.csv/],
     [1, [$digits, $x, '--truth', $y, '--output', 'score'],
      qr/no output "score"/])
{
    my ($code, $args, $error) = @$_;
    my $r = maas('evaluate', @$args);
    is($r->{status}, $code, "exit $code");
    like($r->{err}, $error, $r->{err});
    is($r->{out}, '', 'nothing on stdout');
}

unlink "$tmp/r.html";
my $r = maas('evaluate', @report, '--report', "$tmp/nowhere/r.html");
is($r->{status}, 1, 'a folder that is not there');
ok(!-e "$tmp/r.html", 'nothing is written');

done_testing;
