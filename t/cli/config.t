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
          "$tmp/conf/store/alpha/2", "$tmp/conf/store/.hidden");
my $onnx = slurp("$digits/model.onnx");
spew("$tmp/conf/store/alpha/$_/model.onnx", $onnx) for 1, 2;
spew("$tmp/conf/one.onnx", $onnx);
symlink $build, "$tmp/modules";

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
    maas_model "gamma" { versions 1 2; source $tmp/conf/store/alpha; }
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

# Mistakes.

for (['', qr/No such file|no such file/],
     ["http { maas_model x { source nowhere.onnx; } }", qr/model "x".*nowhere/],
     ["http { maas_model x { } }", qr/model "x": it has no "source"/],
     ["http { maas_model x {", qr/not closed|ends/],
     ["http { } }", qr/unexpected "}" in .*:1/],
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
