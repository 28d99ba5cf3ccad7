# Killed at any moment: fine-tuning goes on with --resume to the same bits; a
# search leaves nothing behind and gives the same table when it is run again;
# files that may not grow, and versions that stay as they were.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
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

    return join ' ', grep { !m{/\d+$} }
           glob("$store/$name/.new* $store/$name/*");
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

my $kills = 0;
for my $i (1 .. 12) {
    last if -e "$tmp/wild/tuned/1";
    $kills += killed(rand() * $took / 2, 'train', '--json', '--threads', 1,
                     '--output', "$tmp/wild", '--resume', $path);
    is(strays("$tmp/wild", 'tuned'), '', "  kill $i: nothing half-written");
}
$r = maas('train', '--json', '--threads', 1, '--output', "$tmp/wild",
          '--resume', $path) if !-e "$tmp/wild/tuned/1";
cmp_ok($kills, '>', 1, "killed $kills times");
ok(slurp("$tmp/wild/tuned/1/model.onnx") eq $want,
   '  and resumed: the same bits') or diag $r->{err};
is(join(' ', glob "$tmp/wild/tuned/.train/*.new"), '',
   '  nothing is left beside');


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
