#!/usr/bin/perl

# A model whose weights lie in a file beside it: served, and compiled again
# when that file is another one, though the model file is the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(workers => 1);
my $p = $t->{prefix};
my $models = $t->fill('%MODELS%');

$t->conf(<<'EOC');
    maas_compiler %PREFIX%/counting;
    maas_model outside { source %PREFIX%/outside; }
    server {
        listen 127.0.0.1:%PORT%;
        location = /x { maas_pass outside; }
    }
EOC

my $text = read_file("$p/conf/nginx.conf");
$text =~ s/maas_compiler [^;]*;\n//;        # the harness names one, too
write_file("$p/conf/nginx.conf", $text);

write_file("$p/counting", "#!/bin/sh\necho >>$p/count\nexec " . $t->maas
           . " \"\$@\"\n");
chmod 0755, "$p/counting";

my $count = sub { return scalar(() = read_file("$p/count") =~ /\n/g) };
my $row = '[[1, 2, 3, 4]]';

my $ask = sub {
    my $r = $t->post('/x', $row, 'Content-Type' => 'application/json');
    diag($r->{body}) if $r->{status} != 200;
    return join ' ', map { 0 + $_ } $r->{body} =~ /-?\d+(?:\.\d+)?(?=[,\]])/g;
};

my $weights = sub {
    write_file("$p/outside/weights.tmp", pack 'f<*', @_);
    rename "$p/outside/weights.tmp", "$p/outside/weights.bin";
};

mkdir "$p/outside";
write_file("$p/outside/model.onnx", read_file("$models/outside.onnx"));

# absent, then short: refused with its name

my ($code, $out) = $t->check;
is($code, 1, 'nginx -t refuses a model without its file');
like($out, qr/model\ "outside"\ version\ 1:\ .*initializer\ 'w':
     \ file\ 'weights\.bin'\ cannot\ be\ read:\ No\ such\ file.*
     nginx\.conf:\d+/x, 'and names it');

$weights->(10, 20, 30);
($code, $out) = $t->check;
is($code, 1, 'nginx -t refuses a file that is too short');
like($out, qr/'weights\.bin' is too short: 16 bytes at offset 0 are needed, /,
     'and says by how much');

$weights->(10, 20, 30, 40);
$t->start;
is($ask->(), '11 22 33 44', 'served');

my $had = $count->();
ok($t->reload, 'reload');
is($count->(), $had, 'an unchanged file needs no child');

$weights->(50, 60, 70, 80);
is($ask->(), '11 22 33 44', 'a change shows at a reload only');
ok($t->reload, 'reload');
is($count->(), $had + 1, 'the changed file is compiled');
is($ask->(), '51 62 73 84', 'and served');

ok($t->reload, 'reload');
is($count->(), $had + 1, 'once');

# a bad file refuses the reload, and what runs stays

$weights->(1);
($code, $out) = $t->check;
is($code, 1, 'nginx -t notices that the file has become short');
ok($t->reload, 'reload');
is($ask->(), '51 62 73 84', 'the server stays as it was');

unlink "$p/outside/weights.bin";
symlink '/etc/hostname', "$p/outside/weights.bin";
($code, $out) = $t->check;
is($code, 1, 'nginx -t refuses a link out of the folder');
like($out, qr/symbolic link that leads out/, 'and says so');

# the same at a cold start

unlink "$p/outside/weights.bin";
$weights->(5, 6, 7, 8);
$t->stop;
$t->start;
is($ask->(), '6 8 10 12', 'a start after the change');
$had = $count->();
$t->stop;
$t->start;
is($count->(), $had + 1, 'an image that fits is found by the child');
is($ask->(), '6 8 10 12', 'and served');

$t->expect_log(qr/model "outside" version 1:/);
done($t);
