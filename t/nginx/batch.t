# Requests that run together: answers as if alone, bad ones, those that
# leave, deadlines and priorities, reloads meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasTest;
use Test::More;
use Time::HiRes qw(sleep);

my $t = MaasTest->new(debug => 1, http => <<'EOC');
    maas_threads 1;

    maas_model slow  { source %MODELS%/slow.onnx; batch max=16; run pool;
                       queue timeout=60s; }
    maas_model pick  { source %MODELS%/pick.onnx; batch max=8 delay=100ms;
                       run pool; queue timeout=60s; }
    maas_model pair  { source %MODELS%/pair.onnx; batch max=8 delay=50ms;
                       run pool; queue timeout=60s; }
    maas_model echo  { source %MODELS%/echo.onnx; run pool;
                       queue timeout=60s;
                       batch max=16 delay=100ms preferred=4,8; }
    maas_model class { source %MODELS%/class; batch max=64 delay=100ms;
                       run pool; queue timeout=60s; }
    maas_model alone { source %MODELS%/slow.onnx;
                       queue levels=2 default=2 age=1h timeout=60s; }
    maas_model across { source %MODELS%/across.onnx; batch max=4 delay=1s;
                        run pool; }

    log_format maas '$uri $status $maas_status $maas_batch_size';
    log_format order '$arg_order';

    server {
        listen 127.0.0.1:%PORT%;
        access_log logs/access.log maas;
        client_max_body_size 8m;

        location /v2 { maas_api kserve; }
        location = /pass { maas_pass slow; }
        location /order { maas_api kserve; access_log logs/order.log order; }
    }
EOC

$t->start;

sub uri { return "/v2/models/$_[0]/infer" }

# Sends all at once, answers in order.

sub together {
    my ($model, @bodies) = @_;

    my @s = map { $t->send('POST', uri($model), $_) } @bodies;
    return map { $t->answer($_) } @s;
}

# Sizes of runs in the log of a model's answers: { size => answers }.

sub sizes {
    my ($model) = @_;

    my %n;
    my $log = read_file("$t->{prefix}/logs/access.log");
    $n{$1}++ while $log =~ m{^/v2/models/$model/infer 200 ok (\d+)$}mg;
    return \%n;
}

sub merged {
    my $n = sizes(@_);
    return scalar grep { $_ > 1 } keys %$n;
}

# An input of its own for each row.

sub x {
    my ($seed, $rows, $columns) = @_;

    return infer([$rows, $columns], map { (($seed * 37 + $_ * 11) % 101) / 64 }
                                    1 .. $rows * $columns);
}

# Sends all while the thread has something else to do, answers in order.

sub held {
    my ($model, @bodies) = @_;

    my $run = $t->hold(uri('alone'));
    my @s = $t->queue(uri($model), @bodies);

    close $run;
    return map { $t->answer($_) } @s;
}

# merging begins when the model is known to have independent rows

ok(wait_for(20, sub { together('pick', ('{"inputs":[{"name":"i","shape":[1],'
        . '"datatype":"INT64","data":[1]}]}') x 2); merged('pick') }),
   'requests are merged');
wait_for(20, sub { held('slow', (rows(1)) x 3); merged('slow') })
    or diag('slow is not merged');
ok($t->wait_log(qr/maas model "across" version 1: .* "batch": a row of output/),
   'a model whose rows depend on each other says so');

# the same bytes, alone and together

for (['slow', 1], ['echo', 3], ['class', 4]) {
    my ($model, $columns) = @$_;
    my @bodies = map { x($_, 1 + $_ % 3, $columns) } 1 .. 24;
    my @alone = map { $t->post(uri($model), $_)->{body} } @bodies;
    my @r = held($model, @bodies);

    is(scalar(grep { $r[$_]{status} == 200 && $r[$_]{body} eq $alone[$_] }
              0 .. 23), 24, "$model: 24 answers are those of single runs");
    ok(wait_for(20, sub { merged($model) }), "$model: they were merged")
        or diag(explain(sizes($model)));
}

# several inputs and outputs; shapes that differ do not mix

sub pair {
    my ($n) = @_;
    return '{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":['
           . "$n,0.5]},{\"name\":\"b\",\"shape\":[1],\"datatype\":\"INT64\","
           . "\"data\":[$n]}]}";
}

my @r = together('pair', map { pair($_) } 1 .. 8);
is(join(' ', map { decode_json($_->{body})->{outputs}[1]{data}[0] } @r),
   '2 3 4 5 6 7 8 9', 'each has its own rows');
is(join(' ', map { decode_json($_->{body})->{outputs}[0]{data}[0] } @r),
   '2 4 6 8 10 12 14 16', 'of every output');

@r = together('echo', map { x($_, 1, 1 + $_ % 4) } 1 .. 16);
is(join(' ', map { decode_json($_->{body})->{outputs}[0]{shape}[1] } @r),
   join(' ', map { 1 + $_ % 4 } 1 .. 16), 'mixed shapes');
is(scalar(grep { $_->{status} == 200 } @r), 16, 'are all answered');

my $r = (together('across', (x(1, 2, 2)) x 3))[0];
ok(wait_for(20, sub { join(' ', keys %{sizes('across')}) eq '1' }),
   'rows that depend run alone') or diag(explain(sizes('across')));

# binary answers are views of the common result

my $want = pack 'f<*', 1, 2, 3;
my $head = sub { '{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32",'
                 . '"data":[' . join(',', @_) . ']}],'
                 . '"parameters":{"binary_data_output":true}}' };
@r = together('echo', map { $head->(1, 2, $_) } 0 .. 7);
is(scalar(grep { substr($r[$_]{body},
                        $r[$_]{headers}{'inference-header-content-length'})
                 eq pack 'f<*', 1, 2, $_ } 0 .. 7), 8, 'binary outputs');

# one that fails, one that is wrong

sub pick {
    return '{"inputs":[{"name":"i","shape":[1],"datatype":"INT64","data":['
           . "$_[0]]}]}";
}

@r = together('pick', map { pick($_) } 0, 1, 99, 3, 4);
is(join(' ', map { $_->{status} == 200
                   ? decode_json($_->{body})->{outputs}[0]{data}[0] : 'bad' }
             @r), '1.5 -2 bad 0.1 7', 'a bad one fails alone');
like($r[2]{body}, qr/99/, 'and is told why');

@r = together('pick', pick(1), '{"inputs":[]}', pick(2), 'nonsense');
is(join(' ', map { $_->{status} } @r), '200 400 200 400',
   'those that are no requests do not join');

# clients that leave: before the run, and during it

my $s = $t->queue(uri('slow'), rows(384));
my @s = $t->queue(uri('slow'), map { x($_, 1, 1) } 1 .. 8);
close $s[$_] for 0, 3, 7;
is(scalar(grep { $t->answer($s[$_])->{status} == 200 } 1, 2, 4, 5, 6), 5,
   'those that leave the queue harm no other');
is($t->answer($s)->{status}, 200, 'nor the run before');

$s = $t->hold(uri('alone'));
@s = $t->queue(uri('slow'), map { x($_, 64, 1) } 1 .. 6);
my $from = $t->mark;
close $s;
$t->phase($from, 'start', 1);
close $s[$_] for 0, 2;
is(scalar(grep { $t->answer($s[$_])->{status} == 200 } 1, 3, 4, 5), 4,
   'nor do those that leave the run');

# deadlines

$t->post(uri('alone'), rows(256)) for 1 .. 3;

$r = $t->post(uri('alone'), rows(1), 'Maas-Timeout' => 'soon');
is($r->{status}, 400, 'Maas-Timeout is no time');
like($r->{body}, qr/Maas-Timeout/, 'says which header');

my $run = $t->hold(uri('alone'));
@s = $t->queue(uri('alone'), (rows(256)) x 4);

for (['Maas-Timeout', '50ms'], ['X-Envoy-Expected-Rq-Timeout-Ms', 50]) {
    $r = $t->post(uri('alone'), rows(1), $_->[0] => $_->[1]);
    is($r->{status}, 503, "$_->[0]: a deadline that cannot be met");
    like($r->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/,
         'has a time to try again');
    like($r->{body}, qr/deadline of 50 ms cannot be met/, 'and a reason');
}

my $limit = sub {
    my ($us) = @_;
    return rows(1) =~ s/\}$/,"parameters":{"timeout":$us}}/r;
};
$r = $t->post(uri('alone'), $limit->(50_000));
is($r->{status}, 503, 'the parameter timeout, in microseconds');
like($r->{body}, qr/deadline of 50 ms/, 'counts');
close $run;
is($t->answer($_)->{status}, 200, 'those in the queue are served') for @s;
is($t->post(uri('alone'), $limit->(59_000_000),
            'Maas-Timeout' => '1h')->{status}, 200, 'a time that will do');
$r = $t->post(uri('alone'), rows(2048), 'Maas-Timeout' => '100ms');
like($r->{status}, qr/^50[34]$/, 'a deadline during the run');

# overload: everyone is answered, soon or with 503

my $time = $t->post(uri('alone'), rows(96))->{time};
@s = map { $t->send('POST', uri('alone'), rows(96), 'Maas-Timeout' =>
                    sprintf '%dms', 100 + 8000 * $time) } 1 .. 60;
my %n;
$n{$t->answer($_)->{status}}++ for @s;
ok($n{200} && $n{503} && !$n{0}, 'overload: some are served, some refused')
    or diag(explain(\%n));
cmp_ok(($n{504} // 0), '<', $n{503} + $n{200}, 'most know it before');

# priorities

my $level = sub {
    my ($priority) = @_;
    return rows(128) =~ s/\}$/,"parameters":{"priority":$priority}}/r;
};
$s = $t->hold(uri('alone'));
my $n = 0;
@s = map { scalar $t->queue('/order/models/alone/infer?order=' . $n++,
                           $level->($_)) } 2, 0, 9, 1;
close $s;
$t->answer($_) for @s;
my $order = sub { return join ' ', read_file("$t->{prefix}/logs/order.log")
                                   =~ /^(\d)$/mg };
wait_for(20, sub { length $order->() >= 7 });
is($order->(), '3 0 1 2', 'priority 1 before the others, which are in order');

# statistics

my $stats = decode_json($t->get('/v2/models/slow/stats')->{body});
$stats = $stats->{model_stats}[0];
cmp_ok($stats->{execution_count}, '<', $stats->{inference_count},
       'runs are fewer than inferences');
my $sum = 0;
$sum += $_->{batch_size} * $_->{compute_infer}{count}
    for @{$stats->{batch_stats}};
ok(grep({ $_->{batch_size} > 1 && $_->{compute_infer}{count} }
        @{$stats->{batch_stats}}), 'batches are listed by size')
    or diag(explain($stats->{batch_stats}));

# reload while batches run

my %status;
for my $round (1 .. 3) {
    @s = map { $t->send('POST', uri('slow'), x($_, 32, 1)) } 1 .. 12;
    my @p = map { $t->send('POST', uri('pick'), pick($_ % 5)) } 1 .. 6;
    sleep 0.02;
    kill 'HUP', $t->master;
    $status{$t->answer($_)->{status}}++ for @s, @p;
}
is_deeply(\%status, { 200 => 54 }, 'reloads lose none');
@s = ();
ok(wait_for(20, sub { (() = $t->log =~ /gracefully shutting down/g)
                      == (() = $t->log =~ /worker process \d+ exited/g) }),
   'the old workers are gone');

# a stop while batches wait

@s = map { $t->send('POST', uri('slow'), x($_, 64, 1)) } 1 .. 12;
push @s, map { $t->send('POST', uri('echo'), x($_, 1, 2)) } 1 .. 3;
sleep 0.05;

done($t);
