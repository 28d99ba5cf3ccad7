# The examples of the documentation: nginx blocks are configurations that
# pass nginx -t, shell blocks that show an answer give it, against the quick
# start's configuration and the built command.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use MaasDocs;
use MaasTest;
use Test::More;

my $build = $MaasTest::build;
my $t = MaasTest->new;
my $p = $t->{prefix};

# What the examples' paths stand for.

mkdir "$p/$_" for qw(srv srv/models srv/models/digits logs/nginx work bin
                     home modules);

for my $v (1, 2) {
    my $dir = "$p/srv/models/digits/$v";
    mkdir $dir;
    symlink "$root/conf/models/digits/$_", "$dir/$_"
        for qw(model.onnx model.json labels.txt);
}

symlink "$root/conf/models/digits/model.onnx", "$p/srv/x.onnx";
symlink "$root/conf/models", "$p/conf/models";
symlink "$root/conf", "$p/work/conf";
symlink "$build/maas", "$p/bin/maas";
symlink "$build/$_", "$p/modules/$_" for qw(maas ngx_http_maas_module.so);
write_file("$p/home/.curlrc", "silent\nshow-error\nmax-time = 20\n");


# -- configurations ----------------------------------------------------------

sub paths {
    my ($text) = @_;

    $text =~ s{/srv/}{$p/srv/}g;
    $text =~ s{/var/lib/nginx/maas}{$p/images}g;
    $text =~ s{/var/log/nginx}{$p/logs}g;
    $text =~ s{/usr/bin/maas}{$build/maas}g;
    $text =~ s{/etc/nginx}{$p/etc}g;
    $text =~ s{modules/ngx_http}{$build/ngx_http}g;
    $text =~ s{listen(\s+)(?:127\.0\.0\.1:)?8080}{listen${1}127.0.0.1:$t->{port}}g;

    return $text;
}


# The block that a first comment names, with everything around it.

sub configuration {
    my ($text) = @_;

    my ($where) = $text =~ /\A# (main|http|server|location)$/m;
    $where //= 'main';

    if ($where ne 'main') {
        my $http = '';
        $http .= "maas_compiler $build/maas;\n" if $text !~ /maas_compiler/;
        $http .= "maas_images $p/images;\n" if $text !~ /maas_images/;
        $http .= "maas_model digits { source /srv/models/digits; }\n"
            if $text !~ /maas_(?:model|store)\s/;

        $text = "location / {\n$text}\n"
            if $where eq 'location' && $text !~ /^\s*location /m;
        $text = "server {\nlisten 8080;\n$text}\n" if $where ne 'http';
        $text = "http {\n$http$text}\n";

    } else {
        my $more = "maas_compiler $build/maas;";
        $more .= " maas_images $p/images;" if $text !~ /maas_images/;
        $text =~ s/http \{/http { $more/;
    }

    $text = "load_module modules/ngx_http_maas_module.so;\n$text"
        if $text !~ /load_module/;
    $text .= "events { }\n" if $text !~ /events \{/;

    my $user = $> == 0 ? "user root;\n" : '';
    my $temp = join '', map { "${_}_temp_path $p/temp/$_; " }
                        qw(client_body proxy fastcgi uwsgi scgi);

    $temp .= "access_log $p/logs/access.log; ";
    $text =~ s/http \{/http { $temp/;

    return $user . "pid $p/logs/nginx.pid;\nerror_log $p/logs/error.log;\n"
           . paths($text);
}


for my $file (qw(README.md docs/directives.md docs/http-api.md
                 docs/operations.md))
{
    for my $b (grep { $_->{lang} eq 'nginx' } blocks($file)) {
        my $text = configuration($b->{text});

        write_file("$p/conf/nginx.conf", $text);
        my ($code, $out) = $t->check;
        ok($code == 0 && $out !~ /\[(?:warn|error|emerg)\]/,
           "$file:$b->{line}: a configuration") or diag($text, $out);
    }
}


# -- model.json --------------------------------------------------------------

mkdir "$p/meta";
symlink "$root/conf/models/digits/labels.txt", "$p/meta/labels.txt";

for my $b (grep { $_->{lang} eq 'json' } blocks('docs/model-json.md')) {
    my $fits = $b->{text} =~ /"input_ids"/ ? 'bert/model.onnx'
               : $b->{text} =~ /"image": \{/ && $b->{text} !~ /GRAY/
                 ? 'colors.onnx' : undef;
    unlink "$p/meta/model.onnx";
    symlink defined $fits ? $t->fill("%MODELS%/$fits")
                          : "$root/conf/models/digits/model.onnx",
            "$p/meta/model.onnx";
    write_file("$p/meta/model.json", $b->{text});
    my $out = `$build/maas compile $p/meta -o $p/meta/x.maas 2>&1`;
    is($?, 0, "docs/model-json.md:$b->{line}: a model.json") or diag($out);
}


# -- commands ----------------------------------------------------------------

my $conf = slurp("$root/conf/quickstart.conf");

$conf =~ s/127\.0\.0\.1:8080/127.0.0.1:$t->{port}/;
$conf =~ s/^(pid\s+)/$1logs\//m;
$conf = "user root;\n$conf" if $> == 0;
write_file("$p/conf/nginx.conf", $conf);

$t->start;


sub shell {
    my ($text) = @_;

    $text =~ s/127\.0\.0\.1:8080/127.0.0.1:$t->{port}/g;
    $text =~ s{/usr/share/libonnx-testdata/data}{$ENV{MAAS_ONNX_CASES}}g
        if $ENV{MAAS_ONNX_CASES};
    write_file("$p/script", $text);

    local $ENV{PATH} = "$p/bin:$ENV{PATH}";
    local $ENV{HOME} = "$p/home";
    local @ENV{qw(OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM)}
        = (1, 1);
    my $out = `cd $p/work && bash $p/script 2>$p/stderr </dev/null`;

    return $out;
}


for my $file (qw(README.md docs/http-api.md docs/command.md
                 docs/datasets.md docs/operators.md docs/evaluation.md
                 docs/training.md))
{
    for my $b (blocks($file)) {
        my $want = $b->{next};

        next if $b->{lang} ne 'sh' || !$want
                || $want->{lang} !~ /^(?:json|text)$/;

      SKIP: {
            my $name = "$file:$b->{line}: " . (split /\n/, $b->{text})[-1];
            my ($cases) = $b->{text} =~ m{(/usr/share/libonnx\S+)};

            skip "$cases is missing", 1
                if $cases && !-e $cases && !$ENV{MAAS_ONNX_CASES};

            skip 'mpirun (openmpi-bin) is missing', 1
                if $b->{text} =~ /^mpirun /m
                   && !grep { -x "$_/mpirun" } split /:/, $ENV{PATH};

            my $out = shell($b->{text});
            ok(same($out, $want->{text}, $want->{lang}), $name)
                or diag("got: $out\nexpected: $want->{text}",
                        slurp("$p/stderr"));
        }
    }
}


# -- errors ------------------------------------------------------------------

# The table of errors, as far as the quick start's server makes them.

my $infer = '/v2/models/digits/infer';
my $table = section('docs/http-api.md', '## Errors');

for my $case (
    ['POST', '/digits', '[1,2,3]', 400],
    ['POST', $infer, '{"inputs" "x"}', 400],
    ['POST', $infer, input('[1,1,8,8]', 'FP32', 1), 400],
    ['POST', $infer, input('[1,1,8,8]', 'INT64', 1), 400],
    ['POST', '/digits', '[1e400]', 400],
    ['POST', '/digits', '[[[1,2],[1]]]', 400],
    ['POST', '/digits', '{"x":1}', 400],
    ['POST', '/digits', '{}', 400],
    ['POST', '/digits', 'zzz', 400, 'image/png'],
    ['POST', $infer, '{"parameters":{"sequence_id":7}}', 400],
    ['POST', '/v1/models/digits:regress', '{}', 400],
    ['POST', '/v1/models/digits:predict', '{"signature_name":"x"}', 400],
    ['POST', '/v2/repository/models/digits/load', '{}', 403],
    ['POST', '/digits?top=x', '[1]', 400],
    ['POST', '/digits', "1,2\n", 400, 'text/csv'],
    ['POST', '/digits', 'x', 400, 'multipart/form-data; boundary=XX'],
    ['POST', '/digits', '[1]', 406, undef, 'image/png'],
    ['GET', '/v2/models/nobody', undef, 404],
    ['GET', '/v2/models/digits/versions/7', undef, 404],
    ['GET', '/v2/nothing', undef, 404],
    ['PUT', '/digits', 'x', 405],
    ['POST', '/digits', 'x' x 11_000_000, 413],
    ['POST', $infer, input('[99999999,1,8,8]', 'FP32', 1), 413],
    ['POST', '/digits', 'x', 415, 'text/plain'],
    ['POST', '/v1/models/digits:explain', '{}', 501])
{
    my ($method, $uri, $body, $status, $type, $accept) = @$case;
    my $r = $t->answer($t->send($method, $uri, $body,
                                $type ? ('Content-Type' => $type) : (),
                                $accept ? (Accept => $accept) : ()));
    my $text = eval { JSON::PP::decode_json($r->{body})->{error} } // '';

    is($r->{status}, $status, "$method $uri: $status") or diag($r->{body});
    ok((grep { told($_, $text) } $table =~ /^\| $status\b.*\| (.*) \|$/mg),
       "is in the table of errors: $text");
}


sub input {
    my ($shape, $type, $data) = @_;

    return qq({"inputs":[{"name":"image","shape":$shape,)
           . qq("datatype":"$type","data":[$data]}]});
}


# Does a row quote the text?  Byte offsets may differ, "..." may be anything.

sub told {
    my ($row, $text) = @_;

    for my $quote ($row =~ /`([^`]+)`/g) {
        my $re = join '.*', map { quotemeta } split /\Q...\E/, $quote, -1;
        $re =~ s/byte\\ \d+/byte\\ \\d+/;
        return 1 if $text =~ /\A$re\z/;
    }

    return 0;
}

done($t);
