# Agents by maas train: the dynamics of the cart beside a formula in Python,
# versions in the store, served by nginx, mistakes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use MaasTest;
use JSON::PP;
use Test::More;

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->canonical;
my $n = 0;

sub train {
    my ($spec, @more) = @_;

    return maas('train', '--json', @more,
                spew("$tmp/rl" . ++$n . '.json', $json->encode($spec)));
}

sub events {
    my ($r, $what) = @_;

    return grep { $_->{event} eq $what } map { json($_) }
           split /\n/, $r->{out};
}


# the cart, with the equations as they stand in the paper of 1983

spew("$tmp/cart.py", <<'EOP');
import math, sys
walk, uc, up, length, mp = sys.argv[1], *map(float, sys.argv[2:])
mc, g, tau = 1.0, 9.8, 0.02
m = mc + mp
far = steps = ends = wrong = 0
for line in open(walk):
    e, t, a, *s, end = line.split()
    s = [float(v) for v in s]
    if int(t) >= 0:
        x, xd, th, thd = last
        F = 10.0 if a == '1' else -10.0
        sgn = (xd > 0) - (xd < 0)
        thdd = (g * math.sin(th) + math.cos(th) * (
            (-F - mp * length * thd ** 2 * math.sin(th) + uc * sgn) / m)
            - up * thd / (mp * length)) / (
            length * (4 / 3 - mp * math.cos(th) ** 2 / m))
        xdd = (F + mp * length * (thd ** 2 * math.sin(th)
                                  - thdd * math.cos(th)) - uc * sgn) / m
        want = [x + tau * xd, xd + tau * xdd, th + tau * thd, thd + tau * thdd]
        far = max([far] + [abs(p - q) for p, q in zip(s, want)])
        fallen = abs(want[0]) > 2.4 or abs(want[2]) > math.radians(12)
        wrong += fallen != (end == '1')
        ends += fallen
        steps += 1
    last = s
print(far, steps, ends, wrong)
EOP

for my $c ([0, 0, 0.5, 0.1], [0.0005, 0.000002, 0.5, 0.1], [0.3, 0.01, 1, 0.4])
{
    my $r = run("$build/t/rl_test", $json->encode({
        type => 'cart_pole', cart_friction => $c->[0],
        pole_friction => $c->[1], half_length => $c->[2],
        pole_mass => $c->[3] }));
    is($r->{status}, 0, "cart_pole: frictions $c->[0], $c->[1]")
        or diag($r->{err});
    spew("$tmp/walk", $r->{out});
    $r = run($python, "$tmp/cart.py", "$tmp/walk", @$c);
    my ($far, $steps, $ends, $wrong) = split ' ', $r->{out};
    cmp_ok($steps, '>', 500, '  random steps') or diag($r->{err});
    cmp_ok($far, '<', 1e-6, '  each is that of the formula');
    is("$ends $wrong", '50 0', '  and so is the end of each episode');
}


# a table

my $cliff = {
    name => 'cliff', seed => 1, description => 'a walk',
    model => { type => 'q_learning', environment => 'cliff_walk',
               episodes => 500, learning_rate => 0.5, discount => 1,
               epsilon => { start => 0.1, end => 0.1 } }
};

my $r = train($cliff, '--output', "$tmp/store");
is($r->{status}, 0, 'q_learning') or diag($r->{err});
is($r->{err}, '', '  without a word on stderr');

my @told = events($r, 'episodes');
my ($done) = events($r, 'done');
my $path;

is(scalar @told, 100, '  a line of JSON for some episodes');
is($told[-1]{episode}, 500, '  to the last one');
is($done->{metrics}{return}, -13, '  the return');

my $dir = "$tmp/store/cliff/1";
my $lineage = json(slurp("$dir/lineage.json"));

is(slurp("$dir/labels.txt"), "up\nright\ndown\nleft\n", 'labels.txt: actions');
is($lineage->{training}{environment}, 'cliff_walk', 'lineage.json');
is($lineage->{specification}{model}{episodes}, 500, '  the specification');
is(scalar @{$lineage->{history}}, 100, '  the history');
ok(!exists $lineage->{data}, '  no data');

$r = train($cliff, '--output', "$tmp/again", '--threads', 1);
is(slurp("$tmp/again/cliff/1/model.onnx"), slurp("$dir/model.onnx"),
   'once more: the same bits');


# a network; what it says is what its weights say

$r = train({ name => 'cart', seed => 1,
             model => { type => 'dqn', stop_at => 300, environment => {
                        type => 'cart_pole', max_steps => 400 } } },
           '--output', "$tmp/store");
is($r->{status}, 0, 'dqn') or diag($r->{err});
($done) = events($r, 'done');
cmp_ok($done->{metrics}{return}, '>=', 195, '  keeps the pole upright');
cmp_ok($done->{training}{steps}, '<', 60000, '  soon');
is($json->encode(json(slurp("$tmp/store/cart/1/model.json"))->{input}),
   '{"features":["position","velocity","angle","angular_velocity"],'
   . '"name":"observation"}',
   '  model.json: what an observation is');

my $want = run($python, '-c', <<'EOP', "$tmp/store");
import onnx, sys
import numpy as np
from onnx import numpy_helper
for name in 'cliff', 'cart':
    m = onnx.load(sys.argv[1] + '/' + name + '/1/model.onnx')
    onnx.checker.check_model(m)
    w = {i.name: numpy_helper.to_array(i) for i in m.graph.initializer}
    if name == 'cliff':
        print(' '.join(str(w['q'][s].argmax()) for s in range(48)))
    else:
        x = np.random.default_rng(0).uniform(-.2, .2, (40, 4))
        x = x.round(4).astype(np.float32)
        v = x.astype(float)
        for i in 1, 2, 3:
            v = v @ w['layer%d.weight' % i] + w['layer%d.bias' % i]
            v = np.maximum(v, 0) if i < 3 else v
        print(' '.join('%.7g' % a for a in x.ravel()))
        print(' '.join(str(a) for a in v.argmax(1)))
        print(' '.join('%.9g' % a for a in v.ravel()))
EOP
my ($cells, $x, $action, $values) = map { [split ' '] } split /\n/, $want->{out};
is(scalar @{$values // []}, 80, 'the ONNX checker takes both')
    or diag($want->{err});


# served like any model

my $t = MaasTest->new(http => <<"EOC");
    server {
        listen 127.0.0.1:%PORT%;
        location /v1 { maas_api tfserving; }
        location = /act { maas_pass cart; }
    }
    maas_store $tmp/store;
    maas_model cliff {}
    maas_model cart {}
EOC
$t->start;

my $got = $t->post('/v1/models/cliff:predict', $json->encode(
    { instances => [0 .. 47] }), 'Content-Type' => 'application/json');
is($got->{status}, 200, 'TensorFlow Serving: states') or diag($got->{body});
is(join(' ', map { $_->{action} } @{json($got->{body})->{predictions}}),
   join(' ', @$cells), '  the actions of the table');

my @rows = map { [map { 0 + $_ } @$x[4 * $_ .. 4 * $_ + 3]] } 0 .. 39;
$got = $t->post('/v1/models/cart:predict', $json->encode(
    { instances => \@rows }), 'Content-Type' => 'application/json');
is($got->{status}, 200, 'TensorFlow Serving: observations')
    or diag($got->{body});
my @p = @{json($got->{body})->{predictions}};
is(join(' ', map { $_->{action} } @p), join(' ', @$action),
   '  the actions of the weights');
my $far = 0;
for my $i (0 .. 79) {
    my $d = abs($p[$i / 2]{values}[$i % 2] - $values->[$i])
            / (1 + abs $values->[$i]);
    $far = $d if $d > $far;
}
cmp_ok($far, '<', 1e-5, '  and their values');

$got = $t->post('/act', $json->encode([$rows[0]]),
                'Content-Type' => 'application/json');
like($got->{body}, qr/"label":"(left|right)"/, 'maas_pass names the action');


# mistakes

my @wrong = (
    [ { model => { type => 'q_lerning', environment => 'cliff_walk' } },
      'did you mean "q_learning"?' ],
    [ { model => { type => 'random_forest' } }, '"data" is missing: where' ],
    [ { data => { path => 'x.csv' }, model => { type => 'q_lerning' } },
      'did you mean "q_learning"?' ],
    [ { %$cliff, epochs => 3 }, '"epochs" means nothing to an agent' ],
    [ { %$cliff, data => { path => 'x.csv' } }, '"data" means nothing' ],
    [ { %$cliff, epoch => 3 }, 'did you mean "epochs"?' ],
    [ { %$cliff, model => { type => 'sarsa', environment => 'clif_walk' } },
      'model: environment: unknown type "clif_walk"; did you mean '
      . '"cliff_walk"?' ],
    [ { %$cliff, model => { %{$cliff->{model}}, episodes => 0 } },
      'model: q_learning: "episodes" is 0' ],
    [ { %$cliff, model => { %{$cliff->{model}}, epsilon => 2 } },
      'model: "epsilon" must be a number from 0 to 1' ],
);

for my $w (@wrong) {
    $r = train({ name => 'bad', %{$w->[0]} }, '--output', "$tmp/bad");
    is($r->{status}, 1, $json->encode($w->[0]));
    like($r->{err}, qr/\Q$w->[1]/, '  says why');
}

# a search

$path = spew("$tmp/tune.json", $json->encode(
    { %$cliff, store => 'tuned',
      search => { type => 'grid', metric => 'return', goal => 'max',
                  fields => { 'model.type' => ['sarsa', 'q_learning'] } } }));
$r = maas('tune', $path);
is($r->{status}, 0, 'maas tune') or diag($r->{err});
$lineage = json(slurp("$tmp/tuned/cliff/1/lineage.json"));
is($lineage->{specification}{model}{type}, 'q_learning',
   '  chooses the better agent');
like(maas('tune', '--set', 'search.folds=3', $path)->{err},
     qr/"folds" mean nothing to an agent/, '  without folds');


# a signal ends it, with nothing to resume from

$path = spew("$tmp/long.json", $json->encode(
    { name => 'long', model => { type => 'sarsa', episodes => 1 << 29,
                                 environment => 'cliff_walk' } }));
pipe(my $out, my $in) or die $!;
my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDOUT, '>', '/dev/null';
    open STDERR, '>&', $in;
    exec "$build/maas", 'train', '--json', '--output', "$tmp/long", $path;
}
close $in;
wait_until($pid, sub { -e "$tmp/long/long/.train/lock" });
kill 'INT', $pid;
my $said = join '', <$out>;
waitpid $pid, 0;
is($? >> 8, 1, 'SIGINT');
like($said, qr/stopped in episode \d+$/, '  is said');
ok(!-e "$tmp/long/long/1", '  no version');

like(train($cliff, '--resume')->{err}, qr/no checkpoints/, '--resume');
is(join(' ', glob "$tmp/bad/bad/*"), '', 'no version, nothing half-written');

done($t);
