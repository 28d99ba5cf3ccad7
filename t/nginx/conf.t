# Compilers that fail, and configurations that do not.  wrong_conf.t has those
# that are wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Copy qw(copy);
use MaasTest;
use Test::More;
use Time::HiRes qw(time);

my $t = MaasTest->new;
my ($code, $out);

mkdir "$t->{prefix}/store";
mkdir "$t->{prefix}/store/$_" for qw(a a/1 a/3 b b/2 empty .hidden);
my $mlp = read_file($t->fill('%MODELS%/mlp.onnx'));
write_file("$t->{prefix}/store/$_/model.onnx", $mlp) for qw(a/1 a/3 b/2);
write_file("$t->{prefix}/dead",
           "#!/bin/sh\ncase \"\$*\" in *--child*) kill -KILL \$\$;; esac\n");
write_file("$t->{prefix}/hang", "#!/bin/sh\nexec sleep 90\n");
chmod 0755, "$t->{prefix}/dead", "$t->{prefix}/hang";

my $model = 'maas_model m { source %MODELS%/mlp.onnx; }';

# the compiler's fate

$t->conf(<<"EOC");
    $model
EOC
my $conf = read_file("$t->{prefix}/conf/nginx.conf");

my $with = sub {
    my ($compiler, $more) = @_;
    (my $c = $conf) =~ s/maas_compiler [^;]*;/maas_compiler $compiler; $more/;
    unlink glob "$t->{prefix}/images/*";
    write_file("$t->{prefix}/conf/nginx.conf", $c);
    return $t->check;
};

($code, $out) = $with->("$t->{prefix}/none", '');
like($out, qr/cannot run the compiler "\S+none"; set "maas_compiler"/,
     'no compiler');

($code, $out) = $with->("$t->{prefix}/dead", '');
like($out, qr/\[emerg\].*model "m" version 1: the compiler died \(signal 9\)/,
     'the compiler dies');

my $start = time;
($code, $out) = $with->("$t->{prefix}/hang", 'maas_compile_timeout 500ms;');
like($out, qr/not compiled within the 500 ms of "maas_compile_timeout"/,
     'the compiler hangs');
cmp_ok(time - $start, '<', 20, 'and is not waited for');

# good ones

$t->conf(<<'EOC');
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
        location = /late { maas_pass m; maas_version old; }
    }
    maas_store ../store;
    maas_model a { versions latest=1; label old=1; }
    maas_model m { source ../store/a; versions 1 3; label old=1; run auto;
                   queue max=2 timeout=2s levels=3 default=1 age=1s;
                   batch max=8 delay=1ms preferred=2,8; concurrency auto; numerics exact;
                   limits elements=1m plans=4; }
EOC
($code, $out) = $t->check;
is($code, 0, 'a good configuration') or diag($out);
is(() = $out =~ /\n/g, 3, 'about which no more is said') or diag($out);
like($out, qr/\[warn\] maas model "empty" is not available: /,
     'than what the store lacks');

$t->conf("maas_model m { source ../store/a; batch max=8; run inline; }\n");
($code, $out) = $t->check;
is($code, 0, 'batch beside run inline');
like($out, qr/\[warn\].*"batch" of maas_model "m" has no effect with "run inline"(?s:.*)nginx\.conf:\d+/,
     'is said to have no effect');

SKIP: {
    skip 'not root', 7 if $> != 0;

    $t->{user} = 'www-data';
    $t->conf("$model\n");
    chmod 0755, $t->{prefix};
    unlink glob "$t->{prefix}/images/*";
    my $file = "$t->{prefix}/secret.onnx";
    write_file($file, $mlp);
    chmod 0600, $file;
    $t->conf("maas_model m { source $file; }\n");
    ($code, $out) = $t->check;
    is($code, 1, 'a file that the user cannot read');
    like($out, qr/user "www-data" cannot read "\Q$file\E"; mend it with "chgrp/,
         'is said to be so');
    like($out, qr/nginx\.conf:\d+/, 'with the line');

    my $path = "$t->{prefix}/conf/nginx.conf";
    my $text = read_file($path);
    my $so = 'ngx_http_maas_module.so';
    copy("$MaasTest::build/$so", "$t->{prefix}/$so") or die "$so: $!";
    write_file($path, $text =~ s/load_module \S+/load_module $t->{prefix}\/$so;/r);

    {
        local $ENV{MAAS_NGINX} = 'setpriv --reuid=nobody --regid=nogroup'
                                 . ' --clear-groups nginx';
        ($code, $out) = $t->check;
        like($out, qr/user "nobody" cannot read.* with "chgrp -R nogroup /,
             'the user is who started nginx, when that is not root');
    }

    write_file($path, $text);

    chmod 0644, $file;
    ($code, $out) = $t->check;
    is($code, 0, 'one that it can read') or diag($out);
    my @image = glob "$t->{prefix}/images/*.maas";
    is(scalar @image, 1, 'makes an image');
    is((stat $image[0])[4], scalar getpwnam('www-data'), 'of that user');
}

$t->{judged} = 1;
done_testing();
