#!/usr/bin/perl
# 400 points of the square from -1 to 1, and whether they lie within a circle
# that has about half of its area: inside is 1 when x*x + y*y < 0.64.
use strict;
use warnings;

srand(1);
print "x,y,inside\n";

for (1 .. 400) {
    my ($x, $y) = map { sprintf '%.4f', rand(2) - 1 } 1 .. 2;
    printf "%s,%s,%d\n", $x, $y, $x * $x + $y * $y < 0.64;
}
