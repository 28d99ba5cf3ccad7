# An upgrade of the binary while it serves: a model that is broken refuses
# it, also where a start would be degraded; a good one is taken, and gone
# back from, without a lost request.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

# the new binary is run by the name of the old one
my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}),
                                             '/usr/sbin';
plan skip_all => 'no nginx' if !$nginx;
$ENV{MAAS_NGINX} //= $nginx;

my $t = MaasTest->new(http => <<'EOC');
    maas_startup degraded;
    maas_model a { source %PREFIX%/a.onnx; }
    maas_model b { source %MODELS%/mlp.onnx; }
    server {
        listen 127.0.0.1:%PORT%;
        location = /a { maas_pass a; }
        location = /b { maas_pass b; }
    }
EOC

my $models = $t->fill('%MODELS%');
my $file = "$t->{prefix}/a.onnx";
my @json = ('Content-Type' => 'application/json');
my $serves = sub {
    my ($uri, $n) = @_;
    return scalar grep { $t->post($uri, '[0.5,-0.5]', @json)->{status} == 200 }
                  1 .. $n;
};

copy("$models/mlp.onnx", $file) or die $!;
$t->start;

my $old = $t->master;
my $upgrade = sub { kill 'USR2', $old };
my $after = sub {
    my ($re, $name) = @_;
    ok($t->wait_log($re, 20), $name) or diag($t->log);
};

# a broken model

write_file($file, 'no model');
$t->expect_log(qr/\[emerg\] .*model "a" version 1: .* no ONNX model/);
$upgrade->();
$after->(qr/\[emerg\] .*model "a" version 1: .* no ONNX model/,
         'an upgrade with a broken model');
$after->(qr/new binary process \d+ exited with code 1/, 'is refused');
ok(wait_for(20, sub { ($t->master // 0) == $old }),
   'the old one is the master');
is($serves->('/a', 5), 5, 'and serves all its models');

# a good one, and back

copy("$models/mlp.onnx", $file) or die $!;
$upgrade->();
my $new = wait_for(20, sub { my $pid = $t->master;
                             $pid && $pid != $old && $t->workers && $pid });
ok($new, 'an upgrade');
is($serves->($_, 5), 5, "$_: both serve") for '/a', '/b';

kill 'WINCH', $old;
ok(wait_for(20, sub { !grep { read_file("/proc/$_/cmdline")
                              =~ /worker process/ }
                      split ' ', read_file("/proc/$old/task/$old/children") }),
   'the old workers end');
is($serves->('/a', 5), 5, 'the new ones serve');

kill 'HUP', $old;
ok(wait_for(20, sub { grep { read_file("/proc/$_/cmdline")
                             =~ /worker process(?! is)/ }
                      split ' ', read_file("/proc/$old/task/$old/children") }),
   'the old master starts workers again');
kill 'QUIT', $new;
ok(wait_for(20, sub { !-e "/proc/$new" && ($t->master // 0) == $old }),
   'the new one ends');
is($serves->('/a', 5), 5, 'all is as before');

done($t);
