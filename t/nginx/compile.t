# The life of compiler children: who they are, when they run and when not,
# and what a signal does to them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = MaasTest->new;
my $p = $t->{prefix};
my $models = $t->fill('%MODELS%');
my ($code, $out, $start);

my $http = sub {
    my ($compiler, @model) = @_;
    return "    maas_compiler $p/$compiler;\n    maas_compile_timeout 60s;\n"
           . join('', map { "    maas_model $_ { source $p/$_.onnx; }\n" }
                      @model)
           . <<'EOC';
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
        location = /static { return 200 "static\n"; }
    }
EOC
};

my $script = sub {
    my ($name, $text) = @_;
    write_file("$p/$name", "#!/bin/sh\n$text\n");
    chmod 0755, "$p/$name";
};

my $conf = sub {
    my (@args) = @_;
    my $text = $http->(@args);
    $t->conf($text);
    # the harness names a compiler, too
    my $c = read_file("$p/conf/nginx.conf");
    $c =~ s/maas_compiler [^;]*;\n//;
    write_file("$p/conf/nginx.conf", $c);
};

my $count = sub { return scalar(() = read_file("$p/count") =~ /\n/g) };

$script->('counting', "echo >>$p/count; exec " . $t->maas . " \"\$@\"");
$script->('hanging', "echo \$\$ >>$p/pids; sleep 90");
$script->('who', "(id -un; id -Gn; ls /proc/self/fd | tr '\\n' ' ';"
          . " grep -E 'Sig(Blk|Ign)' /proc/self/status) >$p/open/who;"
          . " exec " . $t->maas . " \"\$@\"");
$script->('talking', "printf 'ERR bad \\001 things\\n' >&3");
$script->('mute', 'exit 3');

write_file("$p/$_.onnx", read_file("$models/mlp.onnx")) for qw(a b c);
mkdir "$p/open";
chmod 0777, "$p/open";
chmod 0755, $p;

# once a source, not once a start

$conf->('counting', qw(a b));
$t->start;
is($count->(), 2, 'a child for each model');
is($t->post('/v2/models/a/infer', infer([1, 2], 1, 2))->{status}, 200,
   'they serve');

ok($t->reload, 'reload');
is($count->(), 2, 'an unchanged source needs no child');

utime 1, 1, "$p/a.onnx";
ok($t->reload, 'reload after a change');
is($count->(), 3, 'only the changed one is compiled');

$conf->('counting', qw(a b c));
ok($t->reload, 'reload with another model');
is($count->(), 4, 'only the new one is compiled');
is($t->post('/v2/models/c/infer', infer([1, 2], 1, 2))->{status}, 200,
   'it serves');

# a process that sends a signal

$conf->('hanging', qw(a b c));
utime 2, 2, "$p/c.onnx";
$start = time;
($code, $out) = $t->nginx('-s reopen');
is($code, 0, 'nginx -s reopen');
cmp_ok(time - $start, '<', 20, 'compiles nothing');

# stop during a reload

kill 'HUP', $t->master;
ok(wait_for(20, sub { -s "$p/pids" }), 'a compiler hangs during a reload');
is($t->get('/static')->{body}, "static\n", 'the server serves meanwhile');
$start = time;
$t->stop('TERM');
cmp_ok(time - $start, '<', 15, 'TERM ends it, and does not wait');
my ($pid) = read_file("$p/pids") =~ /(\d+)/;
ok(wait_for(20, sub { !kill 0, $pid }), 'and the compiler with it');

# what a child says

$t->expect_log(qr/model "c" version 1: (bad|the compiler exited)/);
$conf->('talking', 'c');
($code, $out) = $t->check;
is($code, 1, 'an error of the compiler');
like($out, qr/model "c" version 1: bad   things in \S+nginx.conf:\d+$/m,
     'is one clean line');

$conf->('mute', 'c');
($code, $out) = $t->check;
like($out, qr/the compiler exited with code 3 and without a result/,
     'a compiler without a word');

# who it is

SKIP: {
    skip 'not root', 11 if $> != 0;

    $t->{user} = 'www-data';

    my $http = 'maas_images %PREFIX%/open; '
               . 'maas_model a { source %MODELS%/mlp.onnx; }';
    my $owner = (stat "$p/open")[4];
    chown 0, -1, "$p/open";
    write_file("$p/open/something", 'of others');
    $t->conf("$http\n");
    $t->expect_log(qr/"maas_images" has other files/);
    ($code, $out) = $t->check;
    is($code, 1, 'a folder of others for images');
    like($out, qr{"\S+/open" of "maas_images" has other files than images},
         'is refused');
    is((stat "$p/open")[4], 0, 'and not given away');
    unlink "$p/open/something";
    chown $owner, -1, "$p/open";

    unlink glob "$p/images/*";
    $conf->('who', 'a');
    $t->start;

    my $who = read_file("$p/open/who");
    like($who, qr/\Awww-data\nwww-data\n/, 'a child is the user');
    like($who, qr/^0 1 2 3 \d+ $|^0 1 2 3 \d+ Sig/m,
         'with the descriptors 0 to 3') or diag($who);
    like($who, qr/SigBlk:\s0+\n/, 'nothing is blocked');
    # 32 and 33 are the C library's own; a parent that ignores them stays so.
    like($who, qr/SigIgn:\s0*(?:180000000)?\n/, 'nothing is ignored');

    my @st = stat "$p/images";
    is($st[2] & 07777, 0700, 'the folder of images is closed');
    is($st[4], scalar getpwnam('www-data'), 'and the user\'s');

    is($t->post('/v2/models/a/infer', infer([1, 2], 1, 2))->{status}, 200,
       'workers of that user serve');
    my ($worker) = $t->workers;
    is((stat "/proc/$worker")[4], scalar getpwnam('www-data'), 'they are');
}

done($t);
