#!/usr/bin/perl
# maas bench: figures, made-up inputs, shapes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my @fast = ('--seconds', '0.1');

my $r = maas('bench', $digits, '--json', @fast);
is($r->{status}, 0, 'exit 0') or diag $r->{err};
my $j = json($r->{out});

for my $key (qw(median_ms min_ms p99_ms load_ms first_ms gflops
                peak_rss_bytes runs))
{
    ok(($j->{$key} // 0) > 0, "$key: " . ($j->{$key} // 'none'));
}

ok($j->{min_ms} <= $j->{median_ms} && $j->{median_ms} <= $j->{p99_ms},
   'in order');

# 2 * (9*16*64 + 144*32*64 + 512*48 + 48*10) multiply-adds and a little more
my $flop = $j->{gflops} * $j->{median_ms} * 1e6;
ok($flop > 657_000 && $flop < 720_000, "FLOP of one digit: $flop");

my $eight = json(maas('bench', $digits, '--json', @fast, '--shape',
                      'image=8,1,8,8')->{out});
my $more = $eight->{gflops} * $eight->{median_ms} * 1e6;
ok(abs($more / $flop - 8) < 0.1, '--shape: eight digits, eight times that');

$r = maas('bench', $digits, @fast, '--threads', 2, '--input',
          "image=$digits/sample.png");
is($r->{status}, 0, 'an input of ours, two threads');
like($r->{out}, qr/median [\d.]+ ms.*2 threads/, 'as text');

for ([['--shape', 'image=1,1,8'], qr/image/], [['--shape', 'x=1'], qr/x=1/],
     [['--shape', 'image=1,a'], qr/expected NAME=/],
     [['--shape', 'image=1,1,8,8,8,8,8,8,8'], qr/expected NAME=/])
{
    $r = maas('bench', $digits, @fast, @{ $_->[0] });
    is($r->{status}, 1, "@{ $_->[0] }: exit 1");
    like($r->{err}, $_->[1], $r->{err});
}

# -- turns

open(my $turns, '>', "$tmp/turns") or die;
print $turns "\n\n\n";
close $turns;
my $turn = "$build/maas bench $digits --paced --json --seconds 0.05";
my @turn = split /\n/, `$turn < $tmp/turns`;
is($?, 0, '--paced: exit 0 when its input ends');
is(scalar @turn, 3, 'a measurement for each line');
ok(json($_)->{runs} > 0, 'with runs') for @turn;


# -- kernels: each of the table, at each level, with a rate

$r = maas('bench', '--kernels', '--json', '--seconds', '0.0001');
is($r->{status}, 0, '--kernels: exit 0') or diag $r->{err};

my (%rows, %levels);
for my $row (map { json($_) } split /\n/, $r->{out}) {
    my ($kernel) = $row->{kernel} =~ /^(\w+)/;
    $rows{$kernel} = 1;
    $levels{$row->{level}}++;
    ok(0, "$row->{level} $row->{kernel}: no rate") if $row->{rate} <= 0;
    ok(0, "$row->{level} $row->{kernel}: no peak")
        if $row->{peak} <= 0 && $row->{level} ne 'ref';
}

open(my $header, '<', "$root/engine/kernels/kernels.h") or die;
my ($table) = join("", <$header>)
    =~ /^typedef struct maas_kernels_s \{(.*?)^\} maas_kernels_t;/ms;
my @missing = grep { !$rows{$_} } $table =~ /\(\*(\w+)[^)]*\)\(/g;
is("@missing", '', 'every kernel of kernels.h has a row in cli_kernels.c');
my %counts = map { $_ => 1 } values %levels;
is(scalar keys %counts, 1, 'all levels have the same: ' . join(' ',
    map { "$_ $levels{$_}" } sort keys %levels));

$r = maas('bench', '--kernels', $digits);
is($r->{status}, 2, '--kernels and a model: exit 2');
like($r->{err}, qr/--kernels takes no model/, $r->{err});

done_testing;
