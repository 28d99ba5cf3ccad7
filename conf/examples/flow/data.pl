#!/usr/bin/perl
# 900 days of 6 machines, one row a day: 12 readings of a vibration sensor,
# m0 to m11, the temperature, the load, the model of the machine, and whether
# it failed on the day after.
#
# A machine that is to fail swings: its readings are a sine of amplitude 1.2
# with any phase and noise of deviation 0.6; else they are noise of deviation
# 1.0.  So the single readings say little, their order says much.  Besides,
# the chance to fail grows with the temperature, and model B fails more often.
# One temperature in 20 is missing.
use strict;
use warnings;

srand(9);


sub normal {
    return sqrt(-2 * log(1 - rand)) * cos(6.283185307179586 * rand);
}


print join(',', (map { "m$_" } 0 .. 11),
           qw(temperature load model failed)), "\n";

for (1 .. 900) {
    my $temperature = 60 + 10 * normal();
    my $model = qw(A B C)[rand 3];
    my $z = 0.12 * ($temperature - 62) + ($model eq 'B' ? 1.2 : -0.4);
    my $failed = rand() < 1 / (1 + exp -$z);
    my $phase = 6.283185307179586 * rand;

    my @m = map {
        $failed ? 1.2 * sin($phase + $_ * 1.2) + 0.6 * normal() : normal()
    } 0 .. 11;

    print join(',', (map { sprintf '%.3f', $_ } @m),
               rand() < 0.05 ? '' : sprintf('%.1f', $temperature),
               sprintf('%.2f', rand), $model, $failed ? 'yes' : 'no'), "\n";
}
