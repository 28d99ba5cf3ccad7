#!/usr/bin/perl
# 1000 measurements of 10 sensors, each of one of 10 events.  An event has a
# centre, uniform in the unit cube of 10 dimensions; a measurement is the
# centre of its event and normal noise of deviation 0.25.  is_0 to is_9 are 1
# for the event, else 0.  With the argument "test": 500 others, with the
# number of the event in one column.
use strict;
use warnings;

my $test = @ARGV && $ARGV[0] eq 'test';

srand(5);
my @centre = map { [map { rand } 1 .. 10] } 1 .. 10;

print join(',', (map { "s$_" } 0 .. 9),
           $test ? 'event' : map { "is_$_" } 0 .. 9), "\n";
srand($test ? 7 : 6);

for (1 .. ($test ? 500 : 1000)) {
    my $event = int rand 10;
    my @s = map {
        sprintf '%.4f', $_ + 0.25 * sqrt(-2 * log(1 - rand))
                        * cos(6.283185307179586 * rand)
    } @{$centre[$event]};

    print join(',', @s, $test ? $event : map { $_ == $event ? 1 : 0 } 0 .. 9),
          "\n";
}
