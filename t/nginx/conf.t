# What is wrong in a configuration is said with file, line, key and remedy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;
use Time::HiRes qw(time);

my $t = MaasTest->new;
my ($code, $out);

write_file("$t->{prefix}/bad.onnx", 'this is no model');
mkdir "$t->{prefix}/store";
mkdir "$t->{prefix}/store/$_" for qw(a a/1 a/3 b b/2 empty .hidden);
my $mlp = read_file($t->fill('%MODELS%/mlp.onnx'));
write_file("$t->{prefix}/store/$_/model.onnx", $mlp) for qw(a/1 a/3 b/2);
write_file("$t->{prefix}/dead",
           "#!/bin/sh\ncase \"\$*\" in *--child*) kill -KILL \$\$;; esac\n");
write_file("$t->{prefix}/hang", "#!/bin/sh\nexec sleep 60\n");
chmod 0755, "$t->{prefix}/dead", "$t->{prefix}/hang";

my $model = 'maas_model m { source %MODELS%/mlp.onnx; }';

# text of the http block, line of the error in it, message
my @bad = (
    ["maas_model -x { source a; }", 1, qr/invalid name "-x"/],
    ["$model\n$model", 2, qr/duplicate maas_model "m", the first is in \S+:/],
    ["maas_model m {\nsauce a;\n}", 2,
     qr/unknown key "sauce" in maas_model "m", known: source, versions/],
    ["maas_model m {\nsource a;\nsource b;\n}", 3,
     qr/"source" of maas_model "m" is duplicate/],
    ["maas_model m {\nsource a b;\n}", 2,
     qr/invalid number of arguments of "source"/],
    ["maas_model m {\nversions latest=0;\n}", 2,
     qr/invalid value "latest=0" of "versions" .* expected "latest=N"/],
    ["maas_model m {\nlabel stable;\n}", 2, qr/expected NAME=VERSION/],
    ["maas_model m {\nlabel 3=3;\n}", 2, qr/a label that is not a number/],
    ["maas_model m {\nlabel a=1 a=2;\n}", 2, qr/names one label twice/],
    ["maas_model m {\nqueue max=0;\n}", 2, qr/expected max=1 to/],
    ["maas_model m {\nqueue timeout=never;\n}", 2, qr/expected a time/],
    ["maas_model m {\nqueue size=1;\n}", 2, qr/expected max= or timeout=/],
    ["maas_model m {\nconcurrency 0;\n}", 2, qr/expected "auto" or 1 to/],
    ["maas_model m {\nnumerics slow;\n}", 2,
     qr/expected "exact" or "fast"/],
    ["maas_model m {\nrun away;\n}", 2,
     qr/expected "auto", "inline" or "pool"/],
    ["maas_model m {\nlimits elements=x;\n}", 2, qr/expected a number/],
    ["maas_model m {\nlimits plans=0;\n}", 2, qr/expected plans=1/],
    ["maas_threads 0;", 1, qr/expected "auto" or 1 to 1024/],
    ["maas_startup lazy;", 1, qr/invalid value "lazy"/],
    ["maas_memory much;", 1, qr/"maas_memory" directive invalid value/],
    ["server {\nlocation / { maas_api nope; }\n}", 2,
     qr/unknown dialect "nope" in "maas_api", known: "kserve"/],
    ["server {\nlocation / { maas_api pass; }\n}", 2,
     qr/unknown dialect "pass"/],
    ["server {\nlocation / { maas_api kserve kserve; }\n}", 2,
     qr/names one dialect twice/],
    ["$model\nserver {\nlocation / { maas_api kserve;\nmaas_pass m; }\n}", 4,
     qr/"maas_pass" directive is duplicate/],
    ["server {\nlocation / { maas_pass ../m; }\n}", 2,
     qr/invalid model name "..\/m" in "maas_pass"/],
    ["$model\nserver {\nlocation / { maas_pass n; }\n}", 3,
     qr/unknown model "n" in "maas_pass", known models: "m"/],
    ["server {\nlocation / { maas_pass n; }\n}", 2,
     qr/unknown model "n" .*declare it with "maas_model n/],
    ["$model\nmaas_models m\nzz;", 3,
     qr/unknown model "zz" in "maas_models"/],
    ["server {\nlocation / { maas_api kserve;\nmaas_timeout soon; }\n}", 3,
     qr/invalid value "soon" of "maas_timeout", expected a time/],
    ["server {\nlocation / { maas_api kserve;\nmaas_version /; }\n}", 3,
     qr/invalid value "\/" of "maas_version"/],
    ["maas_store nowhere;", 1,
     qr/cannot open the folder "\S+nowhere" of "maas_store"/],
    ["maas_model m { }", 1, qr/model "m": has no "source"/],
    ["maas_model m {\nsource nofile.onnx;\n}", 1,
     qr/model "m": .*nofile.onnx/],
    ["maas_model m {\nsource ../bad.onnx;\n}", 1, qr/model "m" version 1: /],
    ["maas_model m {\nsource ../store/a;\nlabel old=2;\n}", 1,
     qr/label "old" names version 2, but \S+ holds 1 3/],
    ["maas_model m {\nsource ../store/a;\nversions 7;\n}", 1,
     qr/model "m": .*7/],
    ["maas_memory 1;\n$model", 0, qr/have \d+ bytes, "maas_memory" is 1/],
);

for my $case (@bad) {
    my ($text, $line, $re) = @$case;

    $t->conf("$text\n");
    ($code, $out) = $t->check;
    $line = $line ? $t->line($line) : 0;

    (my $name = $text) =~ s/\s+/ /g;
    ok($code == 1 && $out =~ /\[emerg\].*$re/, $name) or diag($out);
    like($out, qr/nginx\.conf:$line\b/, "$name: the line") if $line;
}

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
cmp_ok(time - $start, '<', 5, 'and is not waited for');

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
                   queue max=2 timeout=2s; concurrency auto; numerics exact;
                   limits elements=1m plans=4; }
EOC
($code, $out) = $t->check;
is($code, 0, 'a good configuration') or diag($out);
is(() = $out =~ /\n/g, 2, 'about which nothing is said') or diag($out);

SKIP: {
    skip 'not root', 6 if $> != 0;

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

    chmod 0644, $file;
    ($code, $out) = $t->check;
    is($code, 0, 'one that it can read') or diag($out);
    my @image = glob "$t->{prefix}/images/*.maas";
    is(scalar @image, 1, 'makes an image');
    is((stat $image[0])[4], scalar getpwnam('www-data'), 'of that user');
}

$t->{judged} = 1;
done_testing();
