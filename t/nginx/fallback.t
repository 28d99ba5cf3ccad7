# A body that more than one handler needs: error_page leads to another model
# or to another server, mirror copies what a model gets; and a body that is
# still coming when its request goes elsewhere.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Select;
use IO::Socket::INET;
use MaasTest;
use Test::More;

my $mute = IO::Socket::INET->new(Listen => 5, Timeout => 10,
                                 LocalAddr => '127.0.0.1')
    or die "no port: $!";
my $silent = $mute->sockport;
my $closed = MaasTest::free_port();

my $t = MaasTest->new(debug => 1, http => <<"EOC");
    maas_model echo { source %MODELS%/echo.onnx; }
    maas_model slow { source %MODELS%/slow.onnx; }
    maas_model tiny { source %MODELS%/slow.onnx; concurrency 1;
                      queue max=1 timeout=60s; }

    maas_body_memory 4m;

    log_format maas '\$uri \$status "\$maas_model" "\$maas_status"';

    server {
        listen 127.0.0.1:%PORT%;
        access_log logs/access.log maas;
        log_subrequest on;
        client_max_body_size 8m;
        client_body_buffer_size 8k;
        maas_intercept_errors on;

        location = /echo { maas_pass echo; }

        location = /late {
            maas_timeout 10ms;
            error_page 504 = \@echo;
            maas_pass slow;
        }

        location = /proxied {
            maas_timeout 10ms;
            error_page 504 = \@other;
            maas_pass slow;
        }

        location = /decoded { error_page 400 413 = \@echo; maas_pass slow; }

        location ~ ^/unknown/(?<m>\\w+)\$ {
            error_page 404 = \@echo;
            maas_pass \$m;
        }

        location ~ ^/away/(?<m>\\w+)\$ {
            error_page 404 = \@other;
            maas_pass \$m;
        }

        location = /full { error_page 503 = \@echo; maas_pass tiny; }
        location = /page { error_page 503 /busy; maas_pass tiny; }
        location = /busy { internal; return 200 "busy\\n"; }
        location = /tiny { maas_pass tiny; maas_timeout 60s; }

        location \@echo { maas_pass echo; }
        location \@other { proxy_pass http://127.0.0.1:%PORT2%; }

        location = /mirrored { mirror /copy; maas_pass echo; }
        location = /both { mirror /away; maas_pass echo; }
        location = /copy { internal; maas_pass echo; }
        location = /away { internal; proxy_pass http://127.0.0.1:%PORT2%; }

        location = /cut {
            client_max_body_size 64k;
            error_page 413 = /asking;
            maas_pass echo;
        }

        location = /asking {
            internal;
            auth_request /ask;
            alias %PREFIX%/conf/page;
        }

        location = /ask { internal; proxy_pass http://127.0.0.1:$silent; }

        location = /much { error_page 503 = \@other; maas_pass echo; }

        location = /refused {
            proxy_request_buffering off;
            proxy_http_version 1.1;
            error_page 502 = \@echo;
            proxy_pass http://127.0.0.1:$closed;
        }

        location = /taken {
            proxy_request_buffering off;
            proxy_http_version 1.1;
            error_page 502 504 = \@echo;
            proxy_pass http://127.0.0.1:%PORT2%/gone;
        }

        location = /spooled {
            client_body_in_file_only clean;
            error_page 502 = \@echo;
            proxy_pass http://127.0.0.1:$silent;
        }

        location = /half {
            client_max_body_size 64k;
            error_page 413 = \@echo;
            maas_pass echo;
        }
    }

    server {
        listen 127.0.0.1:%PORT2%;
        access_log logs/other.log maas;
        client_max_body_size 8m;
        location / { maas_pass echo; }
        location = /gone { return 444; }
    }
EOC

write_file("$t->{prefix}/conf/page", "too large\n");
$t->start;

my @json = ('Content-Type' => 'application/json');
my $body = sub {
    my ($n) = @_;
    return '{"x":[' . join(',', map { "[$_]" } 1 .. $n) . ']}';
};
my $chunked = sub {
    my ($text, $size) = @_;
    return join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) }
                    unpack "(a$size)*", $text) . "0\r\n\r\n";
};
my $r;

# error_page, after the body and before it

for my $n (2000, 30000) {
    my $want = $t->post('/echo', $body->($n), @json)->{body};
    my $large = $n > 2000 ? 'a large' : 'a small';
    like($want, qr/\b$n\b/, "$large body");

    for my $uri ('/late', '/proxied', '/unknown/nobody', '/away/nobody') {
        $r = $t->post($uri, $body->($n), @json);
        is($r->{status}, 200, "$large body goes on from $uri");
        is($r->{headers}{'retry-after'}, undef, 'with no time to try again');
        ok($r->{body} eq $want, 'as a whole');
    }

    $r = $t->post('/proxied', $chunked->($body->($n), 5000), @json,
                  'Transfer-Encoding' => 'chunked');
    ok($r->{body} eq $want, "$large body in chunks");

    my $s = $t->connect;
    print $s $t->request('POST', '/unknown/nobody', undef, @json,
                         Expect => '100-continue',
                         'Content-Length' => length $body->($n));
    is($t->answer($s, see100 => 1)->{status}, 100, 'a client may go on');
    print $s $body->($n);
    ok($t->answer($s)->{body} eq $want, "with $large body");
}

$r = $t->post('/decoded', '{"x":[[1,2],[3,4]]}', @json);
is($r->{status}, 200, 'what one model refuses') or diag($r->{body});
like($r->{body}, qr/1\.0,2\.0/, 'another takes');

# a body that the handler before has read unbuffered

for my $n (3, 30000) {
    my $want = $t->post('/echo', $body->($n), @json)->{body};

    ok($t->post('/refused', $body->($n), @json)->{body} eq $want,
       "proxy_request_buffering off, nothing was sent, $n rows");
    ok($t->post('/refused', $chunked->($body->($n), 5000), @json,
                'Transfer-Encoding' => 'chunked')->{body} eq $want,
       'in chunks');
}

$r = $t->post('/taken', $body->(30000), @json);
is($r->{status}, 500, 'a part was sent');
like($r->{body}, qr/the body is not there any more/, 'why');
ok($t->wait_log(qr/\[error\].* maas\ model\ "echo"\ version\ 1:\ the\ body
                   .*\ needs\ "proxy_request_buffering\ on"/x),
   'the log names the remedy');

my $held = $t->send('POST', '/spooled', $body->(30000), @json);
my $other = $mute->accept;
ok($other, 'a body that lies in a file');

# nginx itself tells at alert of a file that ends while it is being sent.
my ($sent, $all) = ('', 0);
while ($other && IO::Select->new($other)->can_read(20)
       && sysread $other, $sent, 65536, length $sent)
{
    $all = $sent =~ /^Content-Length: (\d+).*?\r\n\r\n/msi
           && length($sent) - $+[0] >= $1;
    last if $all;
}
ok($all, 'it was sent whole');

truncate $_, 100 for glob "$t->{prefix}/temp/client_body/*";
close $other if $other;
$r = $t->answer($held);
is($r->{status}, 500, 'which is cut off');
ok($t->wait_log(qr/\[error\].* version 1: the spooled body cannot be read/),
   'is in the log');

my $part = $t->connect;
print $part $t->request('POST', '/half', undef, @json,
                        'Transfer-Encoding' => 'chunked');
for (1 .. 3) {
    print $part sprintf("%x\r\n%s\r\n", 30000, '[' . ' ' x 29999);
    select undef, undef, undef, 0.05;
}
$r = $t->answer($part);
is($r->{status}, 500, 'a part was too much');
like($r->{body}, qr/the body is not there any more/, 'the rest is no body');

# a full queue

my $from = $t->mark;
my @busy = $t->send('POST', '/tiny', $body->(8192), @json);
$t->phase($from, 'start', 1);
push @busy, $t->send('POST', '/tiny', $body->(1), @json);
$t->phase($from, 'queue', 2);
$r = $t->post('/full', $body->(3), @json);
is($r->{status}, 200, 'a full queue: another model');
is($r->{headers}{'retry-after'}, undef, 'nothing to try again');
$r = $t->post('/page', $body->(3), @json);
is($r->{status}, 503, 'or a page');
is($r->{body}, "busy\n", 'of its own');
like($r->{headers}{'retry-after'}, qr/^\d+$/, 'with the time to try again');
close $_ for @busy;

# mirror

for my $n (3, 2000, 30000) {
    for my $uri ('/mirrored', '/both') {
        my $want = $t->post('/echo', $body->($n), @json)->{body};
        ok($t->post($uri, $body->($n), @json)->{body} eq $want,
           "$uri: the answer, $n rows");
    }
}

my $log = sub { read_file("$t->{prefix}/logs/$_[0].log") };

ok(wait_for(20, sub { 3 == (() = $log->('access')
                           =~ m{^/copy 200 "echo" "ok"$}mg) }),
   'the copies had their bodies') or diag($log->('access'));
ok(wait_for(20, sub { 3 == (() = $log->('other') =~ m{^/away 200 "echo" "ok"$}mg)
                   }), 'also those of another server') or diag($log->('other'));

# a body that is still coming

my $s = $t->connect;
print $s $t->request('POST', '/cut', undef, @json,
                     'Transfer-Encoding' => 'chunked');
print $s sprintf("%x\r\n%s\r\n", 50000, 'x' x 50000);
select undef, undef, undef, 0.1;
print $s sprintf("%x\r\n%s\r\n", 50000, 'x' x 50000);
my $asked = $mute->accept;
ok($asked, 'an error_page asks another server');
print $s sprintf("%x\r\n%s\r\n", 50000, 'x' x 50000);
select undef, undef, undef, 0.1;
print $asked "HTTP/1.0 200 OK\r\n\r\n" if $asked;
close $asked if $asked;
is($t->answer($s)->{body}, "too large\n",
   'and more of a refused body comes meanwhile');

$r = $t->post('/much', $chunked->('[' . '1,' x 3000000 . '1]', 60000), @json,
              'Transfer-Encoding' => 'chunked');
is($r->{status}, 503, 'a body that cannot be held goes nowhere');
like($r->{body}, qr/"error"/, 'it has an error of its own');

done($t);
