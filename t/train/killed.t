# Killed at any moment: fine-tuning goes on with --resume to the same bits; a
# search leaves nothing behind, gives the same table when it is run again, and
# goes on with --resume from the trials that were made;
# files that may not grow, and versions that stay as they were.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use File::Path qw(remove_tree);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $json = JSON::PP->new->canonical;
my $n = 0;

# Two rings of points.
srand 5;
spew("$tmp/rings.csv", "a,b,ring\n" . join '', map {
    my ($r, $t) = ($_ % 2 ? 2 : 1, rand() * 6.2832);
    $r += rand() * 0.5;
    sprintf "%.5f,%.5f,%s\n", $r * cos $t, $r * sin $t,
            $_ % 2 ? 'outer' : 'inner';
} 1 .. 600);


sub spec {
    my (%more) = @_;

    return spew("$tmp/s" . ++$n . '.json', $json->encode({
        seed => 4, data => { path => 'rings.csv', target => 'ring',
                             split => { validation => 0.2 } },
        batch_size => 16, checkpoint => { steps => 8 }, %more }));
}


# Runs a command and kills it after so many seconds; true: it was killed.

sub killed {
    my ($after, @argv) = @_;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec "$build/maas", @argv or exit 127;
    }

    sleep $after;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return ($? & 127) == 9;
}


# What lies in a folder of a model besides versions.  A checkpoint that was
# being written may lie beside the last one until the next is.

sub strays {
    my ($store, $name) = @_;

    return join ' ', grep { !m{/(?:\d+|\.train|\.\.?)$} }
           glob("$store/$name/.* $store/$name/*");
}


sub layers { return { type => 'network', layers => [
    { type => 'dense', units => 32, activation => 'relu' },
    { type => 'dense', units => 32, activation => 'relu' },
    { type => 'dense', units => 2 } ] } }


# fine-tuning

my $r = maas('train', '--json', '--output', "$tmp/base",
             spec(name => 'base', epochs => 5, model => layers()));
is($r->{status}, 0, 'a source') or diag $r->{err};

my %tune = (name => 'tuned', epochs => 12,
            model => { type => 'finetune', source => "$tmp/base/base/1",
                       train => { last => 2 } });
my $path = spec(%tune);
my $start = time;
$r = maas('train', '--json', '--threads', 1, '--output', "$tmp/calm", $path);
my $took = time - $start;
is($r->{status}, 0, 'fine-tuning, undisturbed') or diag $r->{err};
my $want = slurp("$tmp/calm/tuned/1/model.onnx");

my ($kills, @strays) = (0);
for my $i (1 .. 12) {
    if (-e "$tmp/wild/tuned/1") {
        last if $kills > 1;
        remove_tree("$tmp/wild");       # it was timed on a busy machine
        $took /= 2;
    }
    $kills += killed(rand() * $took / 2, 'train', '--json', '--threads', 1,
                     '--output', "$tmp/wild", '--resume', $path);
    push @strays, strays("$tmp/wild", 'tuned') || ();
}
is("@strays", '', '  nothing half-written after any kill');
$r = maas('train', '--json', '--threads', 1, '--output', "$tmp/wild",
          '--resume', $path) if !-e "$tmp/wild/tuned/1";
cmp_ok($kills, '>', 1, "killed $kills times");
ok(slurp("$tmp/wild/tuned/1/model.onnx") eq $want,
   '  and resumed: the same bits') or diag $r->{err};
is(join(' ', glob "$tmp/wild/tuned/.train/*.new"), '',
   '  nothing is left beside');


# killed while it wrote the version: the next one that does removes that

mkdir "$tmp/wild/tuned/.train/version";
spew("$tmp/wild/tuned/.train/version/$_", 'half') for 'model.onnx', 'other';
$r = maas('train', '--json', '--threads', 1, '--output', "$tmp/wild", $path);
like($r->{out}, qr/"version":2/, 'half a version of before') or diag $r->{err};
ok(!-e "$tmp/wild/tuned/.train/version", '  is gone');
is(join(' ', sort map { m{([^/]+)$} } glob "$tmp/wild/tuned/2/*"),
   'labels.txt lineage.json model.json model.onnx', '  and in no version');


# a search

my $search = spec(name => 'found', epochs => 6, model => layers(),
    metrics => ['accuracy'], optimizer => { type => 'adam' },
    search => { type => 'grid', metric => 'validation_accuracy', folds => 2,
                fields => { 'optimizer.type' => ['sgd', 'adam'],
                            'model.layers[0].units' => [4, 16] } });

sub table {
    my ($out) = @_;

    my ($s) = grep { $_->{event} eq 'search' } map { json($_) }
              split /\n/, $out;
    delete $_->{seconds} for @{$s->{trials}};
    return $json->encode($s->{trials} // []);
}

$start = time;
$r = maas('tune', '--json', '--output', "$tmp/calm", $search);
$took = time - $start;
is($r->{status}, 0, 'a search, undisturbed') or diag $r->{err};
my $best = table($r->{out});
$want = slurp("$tmp/calm/found/1/model.onnx");
$kills = 0;
$kills += killed($took * $_, 'tune', '--json', '--output', "$tmp/wild",
                 $search) for 0.1, 0.4, 0.7, 0.9;
is(strays("$tmp/wild", 'found'), '', 'killed: nothing half-written');
$r = maas('tune', '--json', '--output', "$tmp/wild", $search);
is($r->{status}, 0, '  run again') or diag $r->{err};
is(table($r->{out}), $best, '  the same table');
my ($done) = grep { $_->{event} eq 'done' } map { json($_) }
             split /\n/, $r->{out};
ok(slurp("$done->{path}/model.onnx") eq $want, '  and version')
    or diag $r->{err};


# the same, resumed: each trial is made once

sub events {
    my ($out, $what) = @_;

    return grep { ($_->{event} // '') eq $what } map { json($_) }
           split /\n/, $out;
}


# Kills a search when it has told of so many trials that it made itself;
# what it told, "" when it came to its end before.

sub cut {
    my ($trials, @argv) = @_;

    my $pid = open(my $out, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        exec "$build/maas", 'tune', '--json', '--resume', @argv or exit 127;
    }

    my $told = '';
    while (defined(my $line = <$out>)) {
        $told .= $line;
        $trials -= $line =~ /"event":"trial",(?!"resumed")/;
        next if $trials > 0;
        kill 'KILL', $pid;
        last;
    }
    close $out;
    return ($? & 127) == 9 ? $told : '';
}


my %way = (
    grid => { type => 'grid', folds => 2, metric => 'validation_accuracy',
              fields => { 'optimizer.learning_rate' => [0.3, 0.1, 0.01, 0.001],
                          'model.layers[0].units' => [4, 16] } },
    halving => { type => 'halving', trials => 9, resource => 'epochs',
                 min => 4, max => 36, fields => { 'optimizer.learning_rate'
                 => { min => 0.001, max => 0.5, log => JSON::PP::true } } },
);

for my $way (sort keys %way) {
    my %spec = (name => $way, model => layers(), epochs => 20,
                optimizer => { type => 'sgd', learning_rate => 0.1 });
    my $path = spec(%spec, search => $way{$way});
    my $other = spec(%spec, epochs => 5, search => $way{$way});
    my $folder = "$tmp/wild/$way/.train";

    $r = maas('tune', '--json', '--output', "$tmp/calm", $path);
    is($r->{status}, 0, "$way: undisturbed") or diag $r->{err};
    my $best = table($r->{out});
    my $all = events($r->{out}, 'trial');

    # A search may come to its end before the signal comes; then anew.
    my $made = 0;
    for (1 .. 8) {
        remove_tree("$tmp/wild/$way");
        $made = 0;
        for (1 .. 3) {
            my $told = cut(2, '--output', "$tmp/wild", $path) or last;
            $made += () = $told =~ /"event":"trial",(?!"resumed")/g;
        }
        last if $made == 6;
    }
    is($made, 6, '  killed three times, after two trials each');
    ok(!-e "$tmp/wild/$way/1", '  there is no version');

    # a line that is none, one that was cut short, and a stranger's file
    open my $log, '>>', "$folder/search.0";
    print $log qq{[6,0,0.1,["1","1"]]\n[6,0,0.1,[null]]\n[7,0,0.1,[0.};
    close $log;
    spew("$folder/search.old", 'nothing');

    my $wrong = maas('tune', '--resume', '--output', "$tmp/wild", $other);
    is($wrong->{status}, 1, '  another specification');
    like($wrong->{err}, qr/search\.0: the trials are of another specification/,
         '  is refused');

    $r = maas('tune', '--json', '--resume', '--output', "$tmp/wild", $path);
    is($r->{status}, 0, '  and resumed') or diag $r->{err};
    my @trial = events($r->{out}, 'trial');
    is(scalar @trial, $all, '  all trials are told');
    cmp_ok(scalar(grep { $_->{resumed} } @trial), '>=', 6,
           '  those that were made are not made again');
    is(table($r->{out}), $best, '  the same table');
    ok(slurp("$tmp/wild/$way/1/model.onnx")
       eq slurp("$tmp/calm/$way/1/model.onnx"), '  and version');
    ok(!-e "$folder/search.0" && -e "$folder/search.old",
       '  the trials are removed at the end, and nothing else');

    $r = maas('tune', '--json', '--resume', '--no-version', '--output',
              "$tmp/wild", $path);
    is((grep { $_->{resumed} } events($r->{out}, 'trial')), 0,
       '  then there is nothing to go on from') or diag $r->{err};
}

# Without --resume it begins anew; two at a time are one too many.

my @plain = (model => layers(), optimizer => { type => 'sgd' });
my $anew = spec(name => 'anew', @plain, search => $way{grid});
my $killed = '';
for (1 .. 8) {
    last if $killed = cut(1, '--output', "$tmp/wild", $anew);
}
isnt($killed, '', 'a search that was killed');
$r = maas('tune', '--json', '--no-version', '--output', "$tmp/wild",
          spec(name => 'anew', @plain, search => $way{grid}));
is((grep { $_->{resumed} } events($r->{out}, 'trial')), 0, 'without --resume');

my $slow = spec(name => 'slow', @plain, epochs => 2000,
                search => $way{grid});
my $first = fork // die "fork: $!";
if ($first == 0) {
    open STDOUT, '>', "$tmp/slow.out";
    open STDERR, '>', "$tmp/slow.err";
    exec "$build/maas", 'tune', '--output', "$tmp/wild", $slow or exit 127;
}
wait_until($first, sub { -e "$tmp/wild/slow/.train/search.0" });
$r = maas('tune', '--output', "$tmp/wild", $slow);
is($r->{status}, 1, 'a second search of the model');
like($r->{err}, qr/another process (?:searches for|trains) this model/,
     'is refused');
kill 'TERM', $first;
waitpid $first, 0;
like(slurp("$tmp/slow.err"), qr/; --resume goes on from here/,
     'the first says how it goes on');

$r = maas('tune', '--resume', '--output', "$tmp/wild",
          spec(name => 'reads', @plain, search => { type => 'grid',
               fields => { 'data.path' => ['rings.csv'] } }));
like($r->{err}, qr/over "data.path" reads other files for each trial/,
     'a search that cannot go on');


# files that may not grow: the version before is what it was

my %before = map { $_ => slurp($_) } glob "$tmp/calm/tuned/1/*";
for my $limit (1, 4, 8, 16) {
    $r = run('/bin/bash', '-c', "ulimit -f $limit; exec $build/maas train "
             . "--json --output $tmp/calm " . spec(%tune,
             name => 'tuned', epochs => 1, model => { %{$tune{model}},
             train => 'all' }));
    next if $r->{status} == 0;
    like($r->{err}, qr/File too large|No space/, "$limit KiB: said");
    ok(!-e "$tmp/calm/tuned/2", '  no version');
    is(strays("$tmp/calm", 'tuned'), '', '  nothing half-written');
}
my $same = grep { slurp($_) eq $before{$_} } keys %before;
is($same, scalar keys %before, 'the version before is what it was');
$r = maas('train', '--json', '--output', "$tmp/calm", $path);
like($r->{out}, qr/"version":2/, '  and the next one is the second');

done_testing();
