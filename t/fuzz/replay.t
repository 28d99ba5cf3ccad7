#!/usr/bin/perl
# Replays the corpus of every fuzz target, as it is and with changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

chdir $root;

for my $source (sort glob "$root/t/fuzz/fuzz_*.c") {
    my ($name) = $source =~ /fuzz_(\w+)\.c$/;
    next if $name eq 'main';

    my $program = "$build/t/fuzz_$name";
    my $corpus = "$root/t/fuzz/corpus/$name";

    if (!-x $program || !-d $corpus) {
        fail("$name: no " . (-x $program ? $corpus : $program));
        next;
    }

    my $r = run($program, '-mutate=200', $corpus);
    is($r->{status}, 0, "$name: " . $r->{out} =~ s/\n//r) or diag $r->{err};
}

done_testing;
