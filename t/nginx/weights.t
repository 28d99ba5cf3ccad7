# Weights are one copy, whatever the number of workers and across a reload;
# serving does not make private copies of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $weights = 64 * 1024;        # kB

my $t = MaasTest->new(workers => 3, debug => 1, http => <<'EOC');
    maas_threads 1;
    maas_model big { source %MODELS%/big.onnx; }

    server {
        listen 127.0.0.1:%PORT%;
        client_max_body_size 1m;
        location /v2 { maas_api kserve; }
    }
EOC

$t->start;

my $body = infer([1, 4096], (0.5) x 4096);
my @workers;

my $images = sub {
    my %kb = (Pss => 0, Rss => 0);
    for my $pid (@_) {
        my $m = $t->mapped($pid, qr{/images/});
        $kb{$_} += $m->{$_} for qw(Pss Rss);
    }
    return \%kb;
};

@workers = $t->workers;
is(scalar @workers, 3, 'three workers');
ok(wait_for(20, sub {
    $images->(@workers)->{Rss} >= 3 * $weights * 0.95 }),
   'each has touched the weights') or diag explain $images->(@workers);

my $kb = $images->(@workers);
cmp_ok($kb->{Pss}, '<', $weights * 1.1,
       "three workers hold one copy ($kb->{Pss} kB of $kb->{Rss} kB)");

is($t->post('/v2/models/big/infer', $body)->{status}, 200, 'it serves');

my %before = map { $_ => $t->memory($_)->{Private} } @workers;
my $good = grep { $t->post('/v2/models/big/infer', $body)->{status} == 200 }
                1 .. 60;
is($good, 60, 'sixty requests');

SKIP: {
    skip 'a sanitizer keeps what is freed', 3 if $ENV{MAAS_PRELOAD};

    for my $pid (@workers) {
        my $grown = $t->memory($pid)->{Private} - $before{$pid};
        cmp_ok($grown, '<', $weights * 0.05,
               "private memory grew by $grown kB while serving");
    }
}

# a request in flight keeps an old worker while the new ones map

my $private = 0;
$private += $t->memory($_)->{Private} for @workers;

my $from = $t->mark;
my @slow = map { $t->connect } 1 .. 6;
print $_ $t->request('POST', '/v2/models/big/infer', undef,
                     'Content-Length' => length $body), '{' for @slow;
$t->phase($from, 'route', 6);

ok($t->reload, 'a reload');

my %all = map { $_ => 1 } @workers, $t->workers;
my @all = grep { -e "/proc/$_" } keys %all;
cmp_ok(scalar @all, '>', 3, 'old and new workers live side by side');

my @new = $t->workers;
ok(wait_for(20, sub { $images->(@new)->{Rss} >= 3 * $weights * 0.95 }),
   'the new ones have touched the weights');

@all = grep { -e "/proc/$_" } @all;
$kb = $images->(@all);
cmp_ok($kb->{Pss}, '<', $weights * 1.1,
       @all . " workers hold one copy ($kb->{Pss} kB of $kb->{Rss} kB)");

SKIP: {
    skip 'a sanitizer keeps what is freed', 1 if $ENV{MAAS_PRELOAD};

    my $now = 0;
    $now += $t->memory($_)->{Private} // 0 for @all;
    cmp_ok($now, '<', 2.2 * $private,
           "and no more than twice the working memory ($private kB)");
}

print $_ substr $body, 1 for @slow;
my @codes = map { $t->answer($_)->{status} } @slow;
close $_ for @slow;
is("@codes", '200 200 200 200 200 200', 'the old ones answer what they had');

ok(wait_for(20, sub { !grep { -e "/proc/$_" } @workers }),
   'and are gone then');

done($t);
