# HTTP/2 and TLS.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

plan(skip_all => 'needs nghttp, curl and openssl')
    if grep { !have($_) } qw(nghttp curl openssl);

my $closed = MaasTest::free_port();
my $t = MaasTest->new(http => <<"EOC");
    maas_model mlp  { source %MODELS%/mlp.onnx; }
    maas_model echo { source %MODELS%/echo.onnx; }

    server {
        listen 127.0.0.1:%PORT% http2;
        client_max_body_size 2m;
        location /v2 { maas_api kserve; }
        location /denied { deny all; maas_api kserve; }

        location = /refused {
            proxy_request_buffering off;
            error_page 502 = \@api;
            proxy_pass http://127.0.0.1:$closed;
        }

        location \@api {
            rewrite ^ /v2/models/echo/infer break;
            maas_api kserve;
        }
    }

    server {
        listen 127.0.0.1:%PORT2% ssl http2;
        ssl_certificate %PREFIX%/cert.pem;
        ssl_certificate_key %PREFIX%/key.pem;
        client_max_body_size 2m;
        location /v2 { maas_api kserve; }
    }
EOC

my $p = $t->{prefix};

`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \\
     -keyout $p/key.pem -out $p/cert.pem 2>&1`;

$t->start;

my $h2 = "http://127.0.0.1:$t->{port}";
my $tls = "https://127.0.0.1:$t->{port2}";

write_file("$p/one", infer([1, 2], 0.5, -0.5));
write_file("$p/large", infer([500, 100], map { $_ % 1000 / 8 } 1 .. 50000));
write_file("$p/huge", 'x' x 3_000_000);

my $out = `nghttp -v -d $p/one $h2/v2/models/mlp/infer`;
like($out, qr/:status: 200/, 'HTTP/2');
like($out, qr/"outputs"/, 'with an answer');

$out = `nghttp -v -d $p/large $h2/v2/models/echo/infer`;
like($out, qr/:status: 200/, 'HTTP/2: a large body');

$out = `nghttp -v --no-content-length -d $p/large $h2/v2/models/echo/infer`;
like($out, qr/:status: 200/, 'HTTP/2: without a content-length');

$out = `nghttp -v -m 8 -d $p/one $h2/v2/models/mlp/infer`;
is(scalar(() = $out =~ /"outputs"/g), 8, 'HTTP/2: eight streams');

$out = `nghttp -v $h2/v2/models/mlp/ready $h2/v2/models/nobody/ready`;
like($out, qr/:status: 200/, 'HTTP/2: GET');
like($out, qr/:status: 404/, 'HTTP/2: 404');

$out = `nghttp -v -H':method: HEAD' $h2/v2/models/mlp/ready`;
like($out, qr/:status: 200/, 'HTTP/2: HEAD');

$out = `nghttp -v -d $p/huge $h2/v2/models/mlp/infer`;
like($out, qr/:status: 413/, 'HTTP/2: 413');
like($out, qr/"error"/, 'in the dialect');

for my $size ('one', 'large') {
    $out = `nghttp -v -d $p/$size $h2/refused`;
    like($out, qr/:status: 200/, "HTTP/2: a body read unbuffered, $size");
}

$out = `nghttp -v $h2/denied/models/mlp/ready`;
like($out, qr/:status: 403/, 'HTTP/2: 403');
like($out, qr/"error"/, 'in the dialect');

$out = `curl -sk --http1.1 --data-binary \@$p/one $tls/v2/models/mlp/infer`;
like($out, qr/"outputs"/, 'TLS, HTTP/1.1');

$out = `curl -sk --http2 --data-binary \@$p/one $tls/v2/models/mlp/infer`;
like($out, qr/"outputs"/, 'TLS, HTTP/2');

$out = `curl -sk --http1.1 --data-binary \@$p/large -w '%{http_code}' \\
             -o /dev/null $tls/v2/models/echo/infer`;
is($out, 200, 'TLS: a large body');

my $body = read_file("$p/one");
write_file("$p/request", join "\r\n", 'POST /v2/models/mlp/infer HTTP/1.1',
           'Host: localhost', 'Connection: close',
           'Content-Length: ' . length $body, '', $body);
$out = `openssl s_client -quiet -connect 127.0.0.1:$t->{port2} \\
            <$p/request 2>/dev/null`;
like($out, qr/^HTTP\/1.1 200.*"outputs"/s, 'TLS by openssl');

done($t);
