#!/usr/bin/perl
# maas compile --config: the images that nginx would make, beforehand.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

make_path("$tmp/conf/parts", "$tmp/logs", "$tmp/conf/store/alpha/1",
          "$tmp/conf/store/alpha/2", "$tmp/conf/store/alpha/3",
          "$tmp/conf/store/.hidden");
my $onnx = slurp("$digits/model.onnx");
spew("$tmp/conf/store/alpha/$_/model.onnx", $onnx) for 1, 2;
spew("$tmp/conf/one.onnx", $onnx);
symlink $build, "$tmp/modules";
make_path("$tmp/conf/gamma");
symlink "$tmp/conf/store/alpha/$_", "$tmp/conf/gamma/$_" for 1, 2;

spew("$tmp/conf/parts/b.conf", <<'EOF');
maas_model beta {
    source one.onnx;    # relative to the main file's folder
    numerics exact;
}
EOF

spew("$tmp/conf/nginx.conf", <<"EOF");
load_module modules/ngx_http_maas_module.so;
user root;
pid nginx.pid;
error_log logs/error.log;
events { }
http {
    maas_images   images;
    maas_store    store;
    maas_compiler $build/maas;
    include       parts/*.conf;
    log_format    x '\$remote_addr {"a": "\${request_uri}"}';
    maas_model "gamma" { versions 1 2; source $tmp/conf/gamma; }
    server {
        listen unix:$tmp/socket;
        location /x { maas_pass beta; }
        location ~ "^/y\\d{1,3}\$" { maas_pass alpha; }
    }
}
EOF

my $r = maas('compile', '--config', "$tmp/conf/nginx.conf", '--prefix', $tmp);
is($r->{status}, 0, 'exit 0') or diag $r->{err};
like($r->{out}, qr/^beta version 1: compiled [0-9a-f]{32}\.maas$/m, 'beta');
like($r->{out}, qr/^gamma version 1: compiled/m, 'gamma 1');
like($r->{out}, qr/^gamma version 2: compiled/m, 'gamma 2');
like($r->{out}, qr/^alpha version 2: (?:present|compiled)/m,
     'alpha of the store, the latest');
my ($sum) = $r->{out} =~ /(\d+) compiled, (\d+) present, 0 failed/;
is($sum, 3, 'the same source is compiled once');
is((stat "$tmp/images")[2] & 0777, 0700, 'the folder is private');

$r = maas('compile', '--config', "$tmp/conf/nginx.conf", '--prefix', $tmp,
          '--json');
my $j = json($r->{out});
ok(ref $j eq 'ARRAY' && @$j == 4
   && !(grep { $_->{result} ne 'present' } @$j), '--json: all present now');

SKIP: {
    skip 'not with a sanitizer', 2 if $ENV{MAAS_PRELOAD};
    skip 'only root may name a user', 2 if $> != 0;

    $r = run('nginx', '-t', '-p', "$tmp/", '-c', 'conf/nginx.conf', '-e',
             'logs/error.log');
    is($r->{status}, 0, 'nginx -t') or diag $r->{err};
    opendir my $d, "$tmp/images";
    is(scalar(grep { /\.maas$/ } readdir $d), 3,
       'nginx finds the images under the same names');
}

# What of a store is not whole is left out here as in nginx

make_path("$tmp/conf/store/empty");
$r = maas('compile', '--config', "$tmp/conf/nginx.conf", '--prefix', $tmp);
is($r->{status}, 0, 'a model without a version is no failure') or diag $r->{err};
like($r->{err}, qr/model "empty": \S+ holds neither model\.onnx nor a version/,
     'but it is named');
like($r->{out}, qr/^alpha version 2: present/m, 'a folder without a model');
rmdir "$tmp/conf/store/empty";

# Versions with a label are kept besides; any number of words is read.

make_path("$tmp/conf/labelled/$_") for 1 .. 4;
spew("$tmp/conf/labelled/$_/model.onnx", $onnx . "\x1a\x01$_") for 1 .. 4;
my $words = join ' ', map { "word$_" } 1 .. 300;
my $file = "$tmp/conf/labels.conf";

sub versions {
    my ($model) = @_;

    spew($file, "log_format y $words;\nhttp {\n    maas_images images;\n"
                . "    maas_model delta { source labelled; $model }\n}\n");
    $r = maas('compile', '--config', $file, '--prefix', $tmp);
    return join ' ', $r->{out} =~ /^delta version (\d+): /mg;
}

is(versions('label stable=2;'), '2 4', 'the latest, and that with a label');
is(versions('versions 3; label a=1 b=3; label c=4;'), '1 3 4', 'labels');
is(versions('label stable=7;'), '', 'a label of no version');
like($r->{err}, qr/model "delta": label: there is no version 7/, 'is said');

make_path("$tmp/conf/labelled/" . 10 ** 15 . $_) for 10 .. 45;
spew("$tmp/conf/labelled/" . 10 ** 15 . "$_/model.onnx", $onnx) for 10 .. 45;
my @long = map { 10 ** 15 . $_ } 10 .. 45;
is(versions("versions @long;"), "@long", 'more than 600 bytes of versions');
is(versions('versions ' . '1 ' x 1000 . ';'), '', 'too many versions');
like($r->{err}, qr/a value is too long in .*labels\.conf:4/, 'is said');

# Mistakes.

for (['', qr/No such file|no such file/],
     ["http { maas_model x { source nowhere.onnx; } }", qr/model "x".*nowhere/],
     ["http { maas_model x { } }", qr/model "x": it has no "source"/],
     ["http { maas_model x {", qr/not closed|ends/],
     ["http { } }", qr/unexpected "}" in .*:1/],
     ["http { maas_model x { label stable; } }",
      qr/a label is not NAME=VERSION in .*:1/],
     ["http {\n} #\0\nhttp { maas_model x { } }", qr/a zero byte.* in .*:2/],
     ["include $tmp/self.conf;", qr/nest too deeply/])
{
    my ($text, $want) = @$_;
    my $file = "$tmp/self.conf";

    $text eq '' ? unlink $file : spew($file, $text);
    $r = maas('compile', '--config', $file, '--prefix', $tmp);
    is($r->{status}, 1, 'exit 1');
    like($r->{err}, $want, $r->{err});
}

done_testing;
