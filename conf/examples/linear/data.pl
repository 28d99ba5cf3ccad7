#!/usr/bin/perl
# Rents of 200 flats:
#     rent = 150 + 9.5 size - 4 age + 60 balcony + noise
# with the size in square metres, the age in years, and noise of a normal
# distribution with deviation 20 (Box and Muller).  flats.csv is its output.
use strict;
use warnings;

srand(2);
print "size,age,balcony,rent\n";

for (1 .. 200) {
    my $size = sprintf '%.1f', 25 + rand 100;
    my $age = int rand 60;
    my $balcony = rand() < 0.5 ? 1 : 0;
    my $noise = 20 * sqrt(-2 * log(1 - rand)) * cos(6.283185307179586 * rand);

    printf "%s,%d,%d,%.2f\n", $size, $age, $balcony,
           150 + 9.5 * $size - 4 * $age + 60 * $balcony + $noise;
}
