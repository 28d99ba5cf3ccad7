
# maas_memory_idle: what goes back to the system when a worker has had nothing
# to do; that runs never miss it, and that nothing is left behind at an end.

use strict;
use warnings;

use FindBin;
use JSON::PP ();
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $http = <<'EOC_CONF';
    maas_threads 2;
    %IDLE%
    maas_model slow { source %MODELS%/slow.onnx; }
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
    }
EOC_CONF

my $slow = '/v2/models/slow/infer';
my $body = rows(128);


sub server {
    my ($idle) = @_;

    my $text = $http;
    $text =~ s/%IDLE%/$idle/;
    my $t = MaasTest->new(http => $text);
    $t->start;

    return $t;
}


sub usage {
    my ($t) = @_;

    my $r = $t->get('/v2/models/slow/stats');

    return JSON::PP::decode_json($r->{body})
           ->{model_stats}[0]{memory_usage}[0]{byte_size};
}


sub kb {
    my ($t) = @_;

    return $t->memory(($t->workers)[0])->{Anonymous};
}


# off

my $off = server('maas_memory_idle off;');
my $answer = $off->post($slow, $body)->{body};

like($answer, qr/"shape":\[128,1\]/, 'off: an answer');

my $usage = usage($off);
my $kb = kb($off);

sleep 1;
is(usage($off), $usage, 'and all is kept');

# given back, and taken again

my $t = server('maas_memory_idle 300ms;');

is($t->post($slow, $body)->{body}, $answer, 'the same answer');
ok(wait_for(20, sub { usage($t) < $usage - 512 * 1024 }),
   "of $usage bytes in use a worker gives back")
    or diag(usage($t));
cmp_ok(kb($t), '<', $kb - 512, "so that less than $kb kB are anonymous");
is($t->post($slow, $body)->{body}, $answer, 'the next answer is the same');

# a run that may take longer than memory may be idle, others beside it

my $long = $t->send('POST', $slow, rows(256));
my $bad = 0;

for (1 .. 2) {
    sleep 0.4;
    $bad += $t->post($slow, $body)->{body} ne $answer;
}

is($bad, 0, 'runs between, each after it was given back');

my $r = $t->answer($long);

close $long;            # or nginx lingers on it, and says so at a reload
is($r->{status}, 200, 'and one that goes on meanwhile');
like($r->{body}, qr/"shape":\[256,1\]/, 'with its rows');

# a worker that rests is as good as new to those that come

ok($t->reload, 'a reload');
is($t->post($slow, $body)->{body}, $answer, 'the new worker answers');

# the default is 10 s: its timer holds up nobody

my $default = server('');

is($default->post($slow, $body)->{status}, 200, 'by default');

my $start = time;
ok($default->reload, 'a reload with the timer set');
cmp_ok(time - $start, '<', 5, 'waits for no timer');
is($default->post($slow, $body)->{status}, 200, 'the new worker answers');
$start = time;
$default->stop('QUIT');
cmp_ok(time - $start, '<', 5, 'nor does a graceful end');

done($t, $off, $default);
