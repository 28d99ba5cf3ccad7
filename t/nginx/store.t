# A store that others publish into: what is not whole yet is left out, and
# the log says so; what is whole is served on.  And sources that are neither
# files nor folders.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(time);

my $http = <<'EOC';
    maas_store %PREFIX%/store;
    maas_model used { source %PREFIX%/store/used.onnx; }
    server {
        listen 127.0.0.1:%PORT%;
        location ~ ^/(?<m>\w+)$ { maas_pass $m; }
    }
EOC

my $t = MaasTest->new;
$t->expect_log(qr/version 3 cannot be read|version 4 cannot be read/,
               qr/not a model file|not a regular file/);
my $models = $t->fill('%MODELS%');
my $store = "$t->{prefix}/store";

my $publish = sub {
    my ($to, $from) = @_;
    mkdir "$store/$to";
    copy("$models/$from", "$store/$to/model.onnx") or die $!;
};

mkdir $_ for $store, map { "$store/$_" } 'a', 'later', 'my model', '.git';
copy("$models/mlp.onnx", "$store/$_.onnx") or die $! for qw(loose used);
write_file("$store/README", 'models');
$publish->('a/1', 'mlp.onnx');
$t->conf($http);
$t->start;

my @json = ('Content-Type' => 'application/json');
my $version = sub {
    my $r = $t->post('/a', '[0.5,-0.5]', @json);
    return $r->{status} . ($r->{body} =~ /"version":"(\d+)"/ ? " $1" : '');
};
my $warned = sub {
    my ($re, $name) = @_;
    ok($t->wait_log(qr/\[warn\] \S+ $re/), $name) or diag($t->log);
};

is($version->(), '200 1', 'a version of the store');
$warned->(qr/maas model "later" is not available: "\S+later" holds no version/,
          'a folder without one is named');
$warned->(qr/the folder "my model" of "maas_store" is passed over: a name/,
          'a name that is none');
$warned->(qr/the file "loose\.onnx" of "maas_store" is passed over: put it/,
          'a file without a folder');
unlike($t->log, qr/README|\.git|"used/, 'of others there is no word');
is($t->post('/later', '1', @json)->{status}, 503, 'and not available');

# a version that is on its way

mkdir "$store/a/2";
ok($t->reload, 'a reload while a version is published');
is($version->(), '200 1', 'the one before is served on');
$warned->(qr{maas model "a": version 2 is left out, "\S+/a/2" holds no model},
          'the log says which one is left out');

write_file("$store/a/2/model.onnx.tmp", 'half');
ok($t->reload, 'half of it is there');
is($version->(), '200 1', 'the one before is served on');

$publish->('a/2', 'mlp.onnx');
ok($t->reload, 'it is whole');
is($version->(), '200 2', 'and served');

symlink "$t->{prefix}/nowhere", "$store/a/3" or die $!;
symlink "$store/a/4", "$store/a/4" or die $!;
ok($t->reload, 'links that lead nowhere');
is($version->(), '200 2', 'the one before is served on');
$warned->(qr/maas model "a": version 4 is left out/, 'the highest is named');

$t->conf("    maas_model a { concurrency 1; }\n$http");
ok($t->reload, 'with a maas_model whose source is there');
is($version->(), '200 2', 'it is the same');

# a source that a configuration names is not left out

$t->conf(<<'EOC');
    maas_model a { source %PREFIX%/store/a; }
    server { listen 127.0.0.1:%PORT%; location = /a { maas_pass a; } }
EOC

my ($code, $out) = $t->check;
is($code, 1, 'a link that leads nowhere, of a maas_model');
like($out, qr/version [34] cannot be read: \S+: (?:No such|Too many)/, 'why');
unlink "$store/a/$_" for 3, 4;

# neither file nor folder: nobody waits for the other end of a pipe

my $pipe = "$store/a/5/model.onnx";
mkdir "$store/a/5";
mkfifo($pipe, 0644) or die $!;
my $start = time;
($code, $out) = $t->check;
is($code, 1, 'a pipe');
like($out, qr/\Q$pipe\E is a pipe, not a model file/, 'why');
unlink $pipe;

mkdir $pipe;
($code, $out) = $t->check;
is($code, 1, 'a folder');
like($out, qr/\Q$pipe\E is a folder, not a model file/, 'why');
rmdir $pipe;

$publish->('a/5', 'mlp.onnx');
mkfifo("$store/a/5/labels.txt", 0644) or die $!;
($code, $out) = $t->check;
is($code, 1, 'a pipe beside the model');
like($out, qr/labels\.txt is not a regular file/, 'why');
cmp_ok(time - $start, '<', 20, 'none of them is waited for');

is($version->(), '200 2', 'the server runs on');

done($t);
