#!/usr/bin/perl

# Images of sources that have changed since go when nobody serves them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(workers => 1);
my $p = $t->{prefix};
my $models = $t->fill('%MODELS%');

write_file("$p/$_.onnx", read_file("$models/mlp.onnx")) for qw(a b);

my $conf = sub {
    my ($more) = @_;
    $t->conf(<<"EOC");
    maas_images %PREFIX%/images;
    maas_model a { source $p/a.onnx; }
    maas_model b { source $p/b.onnx; }
    $more
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
    }
EOC
};

my $images = sub { return { map { $_ => 1 } glob "$p/images/*.maas" } };
my $new = sub {
    my ($before) = @_;
    return grep { !$before->{$_} } keys %{$images->()};
};
my $time = 1_000_000_000;
my $change = sub { utime $time, $time, "$p/a.onnx"; $time++ };
my $serves = sub {
    return $t->post('/v2/models/a/infer', infer([1, 2], 1, 2))->{status} == 200;
};

$conf->("maas_model fast { source $p/a.onnx; numerics fast; }");
$t->start;

my $first = $images->();
is(keys %$first, 3, 'three images');

# what runs is held, whoever compiles

$change->();
my ($code, $out) = $t->check;
is($code, 0, 'nginx -t after a change') or diag $out;
my @second = $new->($first);
is(@second, 2, 'makes images of the changed source');
is(keys %{$images->()}, 5, 'and leaves those that are served');

my ($worker) = $t->workers;
kill 'KILL', $worker;
ok(wait_for(20, sub { my ($now) = $t->workers; $now && $now != $worker
                      && $t->try_connect }), 'another worker');
ok($serves->(), 'maps the image that was replaced');

# after two reloads nobody has the first ones

ok($t->reload, 'reload');
ok($serves->(), 'the second images serve');
$change->();
ok($t->reload, 'reload after another change');
ok($serves->(), 'the third ones do');
my $now = $images->();
is(keys %$now, 5, 'the first are gone, the second were held');
is(scalar(grep { !$now->{$_} } @second), 0, 'these');
is(scalar(grep { $now->{$_} } keys %$first), 1,
   'of the first, the one of the other source is left');

# at rest nothing is held; another CPU level and numerics are others' images

$t->stop;
$change->();
$conf->('');
$t->start;
ok($serves->(), 'a start after a change');
$now = $images->();
is(keys %$now, 4, 'replaced images of these numerics are gone')
    or diag explain $now;
is(scalar(grep { $now->{$_} } keys %$first), 1,
   'the one of the other source stays');

$t->expect_log(qr/worker process \d+ exited on signal 9/);
done($t);
