# What nginx has for every location works for models too: auth_basic,
# auth_request, limit_req by $maas_model, error_page, gzip, mirror with a
# spooled body, the access log, locations within the API.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    maas_model mlp  { source %MODELS%/mlp.onnx; run pool; }
    maas_model echo { source %MODELS%/echo.onnx; }
    maas_model slow { source %MODELS%/slow.onnx; }

    limit_req_zone $maas_model zone=models:1m rate=1r/m;

    log_format maas '$status "$maas_model" "$maas_version" "$maas_status" '
                    '$maas_queue_time $maas_compute_time $maas_batch_size';

    server {
        listen 127.0.0.1:%PORT%;
        access_log logs/access.log maas;
        client_max_body_size 2m;

        location /v2 { maas_api kserve; }

        # parts of the API, with rules of their own
        location = /v2/health/ready { maas_api kserve; }
        location = /v2/models/mlp/ready { maas_api kserve; }
        location /v2/models/echo { maas_api kserve; maas_models echo; }
        location /v2/models/slow/ { maas_api kserve; }
        location = /v1/models/mlp:predict { maas_api tfserving; }
        location /v1/models/echo { maas_api kserve tfserving; }
        location /two { maas_api kserve tfserving; }
        location ~ /v3 { maas_api kserve; if ($arg_a) { set $y 1; } }

        location /basic {
            auth_basic models;
            auth_basic_user_file %PREFIX%/users;
            maas_api kserve;
        }

        location /basic-page {
            auth_basic models;
            auth_basic_user_file %PREFIX%/users;
            error_page 401 /page;
            maas_api kserve;
        }

        location /asked { auth_request /ask; maas_api kserve; }
        location = /ask { internal; return 204; }
        location /refused { auth_request /no; maas_api kserve; }
        location = /no { internal; return 403; }

        location /ready { auth_request /ready-ask/models/mlp/ready;
                          root %PREFIX%/files; }
        location /unready { auth_request /ready-ask/models/nobody/ready;
                            error_page 500 /page; root %PREFIX%/files; }
        location /ready-ask { internal; maas_api kserve; }

        location /limited { limit_req zone=models; limit_req_status 429;
                            maas_api kserve; }

        location /denied { deny all; maas_api kserve; }

        location /own { error_page 404 504 /page; maas_api kserve; }

        location /intercept {
            error_page 404 /page;
            error_page 504 = @late;
            maas_intercept_errors on;
            maas_timeout 20ms;
            maas_api kserve;
        }

        location @late { return 200 "late\n"; }
        location = /page { internal; return 200 "page\n"; }

        location /gzip { gzip on; gzip_types application/json;
                         gzip_min_length 1; maas_api kserve; }

        location /mirrored {
            mirror /copy/models/echo/infer;
            client_body_buffer_size 8k;
            maas_api kserve;
        }

        location /copy { internal; client_body_buffer_size 8k;
                         maas_api kserve; }

        location /detail { maas_api kserve; maas_error_detail off; }
    }
EOC

mkdir "$t->{prefix}/files";
write_file("$t->{prefix}/files/ready", "go\n");
write_file("$t->{prefix}/files/unready", "go\n");
write_file("$t->{prefix}/users", "u:{PLAIN}secret\n");

$t->start;

my $one = infer([1, 2], 0.5, -0.5);
my ($r, $s);

my $logged = sub {
    my ($re, $name) = @_;
    ok(wait_for(20, sub { read_file("$t->{prefix}/logs/access.log") =~ $re }),
       $name) or diag(read_file("$t->{prefix}/logs/access.log"));
};

# auth_basic

$r = $t->post('/basic/models/mlp/infer', $one);
is($r->{status}, 401, 'auth_basic: no password');
like($r->{headers}{'www-authenticate'}, qr/^Basic/, 'nginx asks for one');
like($r->{headers}{'content-type'}, qr{^application/json}, 'in JSON');
like($r->{body}, qr/"error"/, 'with the body of the dialect');
is($r->{headers}{'content-length'}, length $r->{body}, 'of its length');

$s = $t->send('HEAD', '/basic/models/mlp/ready');
is($t->answer($s, head => 1)->{status}, 401, 'auth_basic: HEAD');
ok($t->closed($s), 'without a body');

$r = $t->post('/basic/models/mlp/infer', $one,
              Authorization => 'Basic dTpzZWNyZXQ=');
is($r->{status}, 200, 'auth_basic: the password');

$r = $t->post('/basic-page/models/mlp/infer', $one);
is($r->{status} . $r->{body}, "401page\n", 'an error_page goes first');

# auth_request

is($t->post('/asked/models/mlp/infer', $one)->{status}, 200,
   'auth_request: yes');
$r = $t->post('/refused/models/mlp/infer', $one);
is($r->{status}, 403, 'auth_request: no');
like($r->{body}, qr/"error"/, 'in the dialect');

is($t->get('/ready')->{body}, "go\n", 'a model location as auth_request');
is($t->get('/unready')->{body}, "page\n", 'that says no');

# limits and denials

is($t->post('/limited/models/mlp/infer', $one)->{status}, 200,
   'limit_req by $maas_model: the first');
$r = $t->post('/limited/models/mlp/infer', $one);
is($r->{status}, 429, 'the second of one model');
like($r->{body}, qr/"error"/, 'in the dialect');
is($t->post('/limited/models/echo/infer', $one)->{status}, 200,
   'the first of another model');
$logged->(qr/^429 "mlp" "-" "-" - - -$/m, 'and in the log of the refused');

like($t->get('/denied/models/mlp/ready')->{body}, qr/"error"/, 'deny');

# error_page and maas_intercept_errors

$r = $t->post('/own/models/nobody/infer', $one);
is($r->{status}, 404, 'own errors');
like($r->{body}, qr/"error"/, 'are sent, not intercepted');

$r = $t->post('/intercept/models/nobody/infer', $one);
is($r->{status} . $r->{body}, "404page\n", 'maas_intercept_errors');

$r = $t->post('/intercept/models/slow/infer', rows(512));
is($r->{status} . $r->{body}, "200late\n", 'error_page 504 = @named');
$logged->(qr/^200 "slow" "1" "deadline" [\d.]+ [-\d.]+ [-\d]+$/m,
          'the log knows what was');

$r = $t->get('/intercept/models/mlp/infer');
is($r->{status}, 405, 'a status without an error_page');
like($r->{body}, qr/"error"/, 'keeps the own body');

# gzip

$r = $t->post('/gzip/models/mlp/infer', $one, 'Accept-Encoding' => 'gzip');
is($r->{status}, 200, 'gzip');
is($r->{headers}{'content-encoding'}, 'gzip', 'is compressed');
is(substr($r->{body}, 0, 2), "\x1f\x8b", 'indeed');

# mirror: the body is spooled, and read by two

my $large = infer([500, 100], map { $_ % 1000 / 8 } 1 .. 50000);
my $plain = $t->post('/v2/models/echo/infer', $large);
is($plain->{status}, 200, 'a large body');

$r = $t->post('/mirrored/models/echo/infer', $large);
is($r->{status}, 200, 'a body that nginx has spooled');
ok($r->{body} eq $plain->{body}, 'the answer is the same');
$r = $t->post('/mirrored/models/echo/infer', infer([1, 1], 3));
is($r->{status}, 200, 'a mirrored small body');

# access log

$t->post('/v2/models/mlp/infer', $one);
$logged->(qr/^200 "mlp" "1" "ok" \d+\.\d{6} \d+\.\d{6} 1$/m, 'variables');
$t->get('/v2/models/mlp/ready');
$logged->(qr/^200 "mlp" "[-1]" "ok" - - -$/m, 'of a request that did not run');
$t->post('/v2/models/nobody/infer', $one);
$logged->(qr/^404 "nobody" "-" "not_found" - - -$/m, 'of an unknown model');

# locations within the API: the whole path is the route

for my $case (
    ['GET', '/v2/health/ready', 200, qr/^\{"ready":true\}$/],
    ['GET', '/v2/models/mlp/ready', 200, qr/^\{"name":"mlp","ready":true\}$/],
    ['POST', '/v2/models/mlp/ready', 405, qr/"error"/],
    ['GET', '/v2/models/echo', 200, qr/^\{"name":"echo","versions"/],
    ['POST', '/v2/models/echo/infer', 200, qr/"model_name":"echo"/],
    ['POST', '/v2/models/echoes/infer', 404, qr/unknown model \\"echoes/],
    ['GET', '/v2/models/slow/ready', 200, qr/^\{"name":"slow","ready":true/],
    ['GET', '/v2/models/slow/none', 404, qr{no route \\"/none}],
    ['POST', '/v1/models/mlp:predict', 200, qr/"predictions"/],
    ['POST', '/v1/models/echo:predict', 200, qr/"predictions"/],
    ['GET', '/v1/models/echo', 200, qr/"model_version_status".*"ready":true/],
    ['GET', '/v3/health/ready', 404, qr{no route \\"/v3/}],
    ['GET', '/v3/health/ready?a=1', 404, qr{no route \\"/v3/}],
    ['GET', '/v2', 200, qr/^\{"name":"ngx_maas"/])
{
    my ($method, $uri, $status, $re) = @$case;
    my $body = $uri =~ /predict/ ? '{"instances":[[0.5,-0.5]]}' : $one;
    $r = $t->answer($t->send($method, $uri, $method eq 'POST' ? $body : ()));
    is($r->{status}, $status, "$method $uri");
    like($r->{body}, $re, 'of what it names');
}

$r = $t->post('/two/models/echo:predict', '{"instances":[[0.5,-0.5]]}');
is($r->{status}, 200, 'two dialects read a path');
$t->get('/own/models/nobody/ready');
$logged->(qr/^200 "echo" "1" "ok" .*\n404 "nobody"/m,
          'the log has the name alone');

done($t);
