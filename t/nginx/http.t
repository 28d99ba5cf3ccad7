# One location over HTTP/1.1: keep-alive, pipelining, Expect, chunked and
# large bodies, HEAD, and the errors of a request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(main => "error_log logs/debug.log debug;\n",
                      http => <<'EOC');
    maas_model mlp  { source %MODELS%/mlp.onnx; }
    maas_model echo { source %MODELS%/echo.onnx; }

    server {
        listen 127.0.0.1:%PORT%;
        client_max_body_size 2m;
        client_body_buffer_size 64k;

        location /v2 { maas_api kserve; }
        location /only { maas_api kserve; maas_models echo; }
        location = /mlp { maas_pass mlp; }
        location = /static { return 200 "static\n"; }
        location /var { maas_pass $arg_m; }

        location /if/ {
            maas_api kserve;
            if ($arg_x) { set $y 1; }
        }

        location /get {
            maas_api kserve;
            limit_except GET { deny all; }
        }
    }
EOC

$t->start;

my $mlp = '/v2/models/mlp/infer';
my $echo = '/v2/models/echo/infer';
my $one = infer([1, 2], 0.5, -0.5);
my ($r, $s, @r);

# plain

$r = $t->post($mlp, $one);
is($r->{status}, 200, 'an answer');
like($r->{headers}{'content-type'}, qr{^application/json}, 'it is JSON');
is($r->{headers}{'content-length'}, length $r->{body}, 'and has its length');
like($r->{body}, qr/"outputs"/, 'with outputs');

my $expected = $r->{body};

$r = $t->get('/v2/models/mlp/ready');
is($r->{status}, 200, 'a GET is answered without a body');

is($t->post('/if/models/mlp/infer?x=1', $one)->{status}, 200,
   'an "if" without a pass keeps its location');
is($t->get('/get/models/mlp/ready')->{status}, 200, 'limit_except: allowed');
is($t->post('/get/models/mlp/infer', $one)->{status}, 403,
   'limit_except: denied');

# keep-alive and pipelining

$s = $t->connect;

for my $i (1 .. 3) {
    print $s $t->request('POST', $mlp, $one, Connection => 'keep-alive');
    is($t->answer($s)->{body}, $expected, "keep-alive, request $i");
}

print $s join '', map { $t->request('POST', $mlp, $one,
                                    Connection => 'keep-alive') } 1 .. 5;
@r = map { $t->answer($s) } 1 .. 5;
is(scalar(grep { $_->{body} eq $expected } @r), 5, 'five pipelined requests');

my $large = infer([500, 100], map { $_ % 1000 / 8 } 1 .. 50000);
cmp_ok(length $large, '>', 200_000, 'a large body');

print $s $t->request('POST', $echo, $large, Connection => 'keep-alive'),
         $t->request('GET', '/static', undef, Connection => 'keep-alive'),
         $t->request('POST', $mlp, $one, Connection => 'keep-alive');
@r = map { $t->answer($s) } 1 .. 3;
is($r[0]{status}, 200, 'a large body, others pipelined behind it');
is($r[1]{body}, "static\n", 'the next is answered');
is($r[2]{body}, $expected, 'and the one after it');

# chunked

my $chunked = sub {
    my ($body, $size) = @_;
    my $out = '';
    while (length $body) {
        my $piece = substr $body, 0, $size, '';
        $out .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }
    return $out . "0\r\n\r\n";
};

$r = $t->post($mlp, $chunked->($one, 7), 'Transfer-Encoding' => 'chunked');
is($r->{body}, $expected, 'a chunked body');

print $s $t->request('POST', $echo, $chunked->($large, 9999),
                     'Transfer-Encoding' => 'chunked',
                     Connection => 'keep-alive'),
         $t->request('POST', $mlp, $one, Connection => 'keep-alive');
@r = map { $t->answer($s) } 1 .. 2;
is($r[0]{status}, 200, 'a large chunked body');
is($r[1]{body}, $expected, 'and the request behind it');

# a body in pieces

$s = $t->connect;
my $request = $t->request('POST', $mlp, $one, Connection => 'keep-alive');
for (split /(?<=\G.{23})/s, $request) {
    print $s $_;
    select undef, undef, undef, 0.01;
}
is($t->answer($s)->{body}, $expected, 'a request in small pieces');

# Expect

$s = $t->connect;
print $s $t->request('POST', $mlp, undef, Expect => '100-continue',
                     'Content-Length' => length $one);
is($t->answer($s, see100 => 1)->{status}, 100, '100 Continue');
print $s $one;
is($t->answer($s)->{body}, $expected, 'and the answer');

$s = $t->connect;
print $s $t->request('POST', '/v2/models/nobody/infer', undef,
                     Expect => '100-continue', Connection => 'keep-alive',
                     'Content-Length' => 100_000);
$r = $t->answer($s, see100 => 1);
is($r->{status}, 404, 'no 100 Continue for a request that is refused');
is($r->{headers}{connection}, 'close', 'and the connection ends');

# HEAD

$s = $t->send('HEAD', '/v2/models/mlp/ready');
$r = $t->answer($s, head => 1);
is($r->{status}, 200, 'HEAD');
ok($t->closed($s), 'has no body');

$s = $t->send('HEAD', '/v2/models/nobody/ready');
$r = $t->answer($s, head => 1);
is($r->{status}, 404, 'HEAD of what is not there');
ok($t->closed($s), 'has no body either');

# errors

for my $case (
    ['POST', '/v2/models/nobody/infer', $one, 404, 'an unknown model'],
    ['POST', '/only/models/mlp/infer', $one, 404, 'a model not served here'],
    ['POST', '/var?m=nobody', $one, 404, 'an unknown model by a variable'],
    ['POST', '/var?m=../etc', $one, 404, 'a name that is none'],
    ['GET', $mlp, undef, 405, 'a wrong method'],
    ['POST', $mlp, 'x' x 3_000_000, 413, 'too large a body'],
    ['POST', '/mlp', 'x', 415, 'a type that nobody reads', 'text/plain'])
{
    my ($method, $uri, $body, $status, $name, $type) = @$case;

    $r = $t->answer($t->send($method, $uri, $body,
                             $type ? ('Content-Type' => $type) : ()));
    is($r->{status}, $status, $name);
    like($r->{headers}{'content-type'} // '', qr{^application/json},
         "$name: JSON");
    like($r->{body}, qr/"error"/, "$name: says why");
}

is($t->get($mlp)->{headers}{allow}, 'POST', '405 names the method');
is($t->post('/only/models/echo/infer', $large)->{status}, 200,
   'a model that is served here');

my $big = 'z' x 3_000_000;
$r = $t->post($mlp, $chunked->($big, 65000), 'Transfer-Encoding' => 'chunked');
is($r->{status}, 413, 'a chunked body that becomes too large');
like($r->{body}, qr/"error"/, 'says why');

$r = $t->post($mlp, '{"inputs":');
is($r->{status}, 400, 'a body that is not JSON');

is($t->post($mlp, $one)->{body}, $expected, 'all is well afterwards');

# the phases of a request, where nginx was built with debug

my $debug = read_file("$t->{prefix}/logs/debug.log");

SKIP: {
    skip 'nginx without debug', 1 if $debug !~ /\[debug\]/;
    like($debug, qr/maas\ route:[^\n]*"mlp"\ version\ "1"\n .*
                    maas\ body:\ \d+\ bytes .* maas\ run\ on .*
                    maas\ reply:\ 200 .* maas\ detach:/sx,
         'error_log debug');
}

done($t);
