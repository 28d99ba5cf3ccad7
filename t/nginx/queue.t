# Never blocks: full queues, waiting too long, deadlines, clients that leave.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;
use Time::HiRes qw(time);

my $t = MaasTest->new(debug => 1, http => <<'EOC');
    maas_threads 2;
    maas_body_memory 1m;

    maas_model mlp  { source %MODELS%/mlp.onnx; run inline; }
    maas_model slow { source %MODELS%/slow.onnx; concurrency 1;
                      queue max=1 timeout=30s; }
    maas_model waits { source %MODELS%/slow.onnx; concurrency 1;
                       queue max=8 timeout=100ms; }
    maas_model late { source %MODELS%/slow.onnx; concurrency 1;
                      queue timeout=400ms; }

    log_format maas '$status "$maas_model" "$maas_status" $request_time';

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%PORT2% http2;
        access_log logs/access.log maas;
        client_max_body_size 8m;

        location /v2 { maas_api kserve; }
        location /trickle { maas_api kserve; client_body_timeout 1s; }
        location /late { maas_api kserve; maas_timeout $arg_t; }
        location /ignore { maas_api kserve; maas_ignore_client_abort on; }
        location /drip { maas_api kserve; limit_rate 1k; }
        location = /static { return 200 "static\n"; }
        location = /cancelled { return 200 $maas_cancelled; }
    }
EOC

$t->start;

my $slow = '/v2/models/slow/infer';
my $one = infer([1, 2], 0.5, -0.5);
my ($r, $s, @s, $run, $start);

is($t->post($slow, rows(1))->{status}, 200, 'the slow model answers');

# A first run that something held up says little of what many rows take.
is($t->post($slow, rows(512))->{status}, 200, 'many rows, too');

my $lines = sub {
    return scalar(() = read_file("$t->{prefix}/logs/access.log") =~ /$_[0]/mg);
};

my $logged = sub {
    my ($re, $name, $n) = @_;
    ok(wait_for(20, sub { $lines->($re) >= ($n // 1) }), $name)
        or diag(read_file("$t->{prefix}/logs/access.log"), $t->log);
};

# Those who leave a run, until one of them has ended soon; each is logged.

my $cancelled = sub {
    my ($name, $leave) = @_;
    my $gone = qr/^499 "slow" "cancelled"/m;
    my ($n, $before) = (0, $lines->($gone));

    my $us = least(250_000, sub {
        my $size = -s "$t->{prefix}/logs/error.log";
        $leave->();
        $n++;
        return wait_for(20, sub {
            substr($t->log, $size)
                =~ /a cancelled job of model "\w+" ended after (\d+) us/ && $1
        });
    });

    cmp_ok($us, '<', 250_000, "$name: the job is cancelled soon ($us us)");
    $logged->($gone, "$name: 499", $before + $n);
    return $n;
};

# a full queue

$run = $t->hold($slow);
my $next = $t->queue($slow, rows(1));

$r = $t->post($slow, rows(1));
is($r->{status}, 503, 'queue full');
like($r->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, 'with Retry-After');
like($r->{body}, qr/full/, 'and a reason');

$s = $t->connect;
print $s $t->request('POST', $slow, undef, Expect => '100-continue',
                     'Content-Length' => 100, Connection => 'keep-alive');
$r = $t->answer($s, see100 => 1);
is($r->{status}, 503, 'queue full: no 100 Continue');
is($r->{headers}{connection}, 'close', 'and the connection is closed');

$s = $t->connect;
print $s $t->request('POST', $slow, rows(1), Connection => 'keep-alive'),
         $t->request('GET', '/static', undef, Connection => 'keep-alive');
is($t->answer($s)->{status}, 503, 'queue full: keep-alive');
is($t->answer($s)->{body}, "static\n", 'the next request is answered');

my $took = least(0.5, sub {
    ($r = $t->post('/v2/models/mlp/infer', $one))->{time};
});
is($r->{status}, 200, 'another model is not held up');
cmp_ok($took, '<', 0.5, 'and answers at once');

close $run;
is($t->answer($next)->{status}, 200, 'what is in the queue is served');

# waiting too long

$run = $t->hold('/v2/models/waits/infer');
$took = least(1, sub {
    ($r = $t->post('/v2/models/waits/infer', rows(1)))->{time};
});
is($r->{status}, 503, 'queue timeout');
ok($r->{headers}{'retry-after'}, 'with Retry-After');
cmp_ok($took, '<', 1, "after its time ($took s)");
close $run;
$logged->(qr/^499 "waits" "cancelled"/m, 'a client left');

# deadlines

$took = least(1, sub {
    ($r = $t->post('/late/models/late/infer?t=50ms', rows(2048)))->{time};
});
is($r->{status}, 504, 'deadline');
cmp_ok($took, '<', 1, "in time ($took s)");
like($r->{body}, qr/"error"/, 'in the dialect');
$logged->(qr/^504 "late" "deadline"/m, 'the log says so');

$run = $t->hold('/v2/models/late/infer');
$r = $t->post('/late/models/late/infer?t=100ms', rows(1));
is($r->{status}, 504, 'deadline in the queue');
close $run;

# the deadline is not that of the queue, be they as near as they may

$r = $t->post('/late/models/late/infer?t=600ms', rows(8192));
is($r->{status}, 504, 'deadline of a running job');
cmp_ok($r->{time}, '>', 0.55, "not before its time ($r->{time} s)");

is($t->post('/late/models/late/infer?t=50s', rows(1))->{status}, 200,
   'in time');
is($t->post('/late/models/late/infer?t=nonsense', rows(1))->{status}, 200,
   'a time that is none: the default');
ok($t->wait_log(qr/invalid "maas_timeout" value "nonsense"/), 'with a word');

# clients that leave

my $before = $t->get('/cancelled')->{body};
my $n = $cancelled->('client abort', sub { close $t->hold($slow) });
is($t->get('/cancelled')->{body}, $before + $n, 'and counted');

my $gone = $lines->(qr/^499 "slow" "cancelled"/m);
$run = $t->queue($slow, rows(1024));
close $t->queue($slow, rows(2048));
$logged->(qr/^499 "slow" "cancelled"/m, 'client abort in the queue',
          $gone + 1);
is($t->answer($run)->{status}, 200, 'the running one goes on');

$s = $t->connect;
print $s $t->request('POST', $slow, rows(8192));
shutdown $s, 1;
$logged->(qr/^499 "slow"/m, 'the end of the input counts as leaving',
          $gone + 2);

my $from = $t->mark;
$s = $t->send('POST', '/ignore/models/slow/infer', rows(64));
$t->phase($from, 'queue', 1);
close $s;
$logged->(qr/^200 "slow" "ok"/m, 'maas_ignore_client_abort');

SKIP: {
    skip 'no nghttp', 2 if !have('nghttp');

    my $file = "$t->{prefix}/body";
    write_file($file, rows(8192));

    $cancelled->('client abort over HTTP/2', sub {
        my $from = $t->mark;
        my $pid = fork // die;

        if ($pid == 0) {
            open STDOUT, '>', '/dev/null';
            exec 'nghttp', '-n', '-d', $file,
                 "http://127.0.0.1:$t->{port2}$slow" or exit 1;
        }

        $t->phase($from, 'start', 1);
        kill 'KILL', $pid;
        waitpid $pid, 0;
    });
}

# bodies

my $part = '{"inputs":[' . ' ' x 600_000;

for (1 .. 2) {
    my $c = $t->connect;
    print $c $t->request('POST', $slow, undef, 'Content-Length' => 700_000),
             $part;
    push @s, $c;
}

# whichever was read further first has it
my ($refused) = IO::Select->new(@s)->can_read(20);
$r = $t->answer($refused);
is($r->{status}, 503, 'maas_body_memory is spent');
ok($r->{headers}{'retry-after'}, 'with Retry-After');
close $_ for @s;

is(wait_for(20, sub { $t->post($slow, ' ' x 500_000)->{status} == 400 }), 1,
   'and is given back');

# an answer on its way holds no body

for (1 .. 3) {
    push @s, $t->send('POST', '/drip/models/mlp/infer',
                      infer([1000, 2], (0.25) x 2000) . ' ' x 500_000);
    like(readline $s[-1], qr/ 200 /, 'a long answer begins');
}

close $_ for @s;

$s = $t->connect;
print $s $t->request('POST', $slow, undef, 'Content-Length' => 3_000_000);
is($t->answer($s)->{status}, 413, 'a body larger than all of it');
close $s;

$start = time;
$s = $t->connect;
print $s $t->request('POST', '/trickle/models/slow/infer', undef,
                     'Content-Length' => 100_000);
for (1 .. 600) {
    print $s ' ' or last;
    last if IO::Select->new($s)->can_read(0.1);
}
ok($t->closed($s), 'a trickle of a body is ended');
cmp_ok(time - $start, '<', 20, 'by the time for the whole');
$logged->(qr/^408 "slow"/m, 'with 408');

is($t->post($slow, rows(1))->{status}, 200, 'all is well afterwards');

done($t);
