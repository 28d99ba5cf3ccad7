#!/usr/bin/perl
# Drawn shapes of ten kinds, 32 x 32 pixels in colour, in the binary format of
# CIFAR-10: files of records, a byte for the class, then the planes of red,
# green and blue, row by row; the names of the classes in batches.meta.txt.
#
#     shapes.pl FOLDER ROWS TEST    data_batch_1.bin to 5 with ROWS images in
#                                   all, test_batch.bin with TEST
#     shapes.pl FILE.png CLASS      one more image, as a PNG
#
# A shape has any place, size and colours, which differ by 80 in the mean of
# the channels at least; 32 levels of noise lie over everything.
use strict;
use warnings;

my @name = qw(disc ring square frame triangle plus saltire rows columns
              checkers);

# Is a point in the shape?  u and v from -1 to 1 within the shape's box.
my @inside = (
    sub { $_[0] * $_[0] + $_[1] * $_[1] < 1 },
    sub { my $r = $_[0] * $_[0] + $_[1] * $_[1]; $r < 1 && $r > 0.4 },
    sub { abs $_[0] < 0.9 && abs $_[1] < 0.9 },
    sub { my ($a, $b) = (abs $_[0], abs $_[1]); $a < 0.95 && $b < 0.95
          && ($a > 0.6 || $b > 0.6) },
    sub { $_[1] < 0.9 && abs $_[0] < ($_[1] + 1) / 2 },
    sub { my ($a, $b) = (abs $_[0], abs $_[1]);
          $a < 1 && $b < 1 && ($a < 0.3 || $b < 0.3) },
    sub { my ($a, $b) = (abs $_[0], abs $_[1]);
          $a < 1 && $b < 1 && abs($a - $b) < 0.35 },
    sub { abs $_[0] < 1 && abs $_[1] < 1 && int(($_[1] + 1) * 3) % 2 },
    sub { abs $_[0] < 1 && abs $_[1] < 1 && int(($_[0] + 1) * 3) % 2 },
    sub { abs $_[0] < 1 && abs $_[1] < 1
          && (int(($_[0] + 1) * 2) + int(($_[1] + 1) * 2)) % 2 },
);

srand(2);
my $noise = join '', map { chr int rand 32 } 1 .. 1 << 16;


# The three planes of an image.

sub draw {
    my ($class) = @_;

    my $r = 8 + rand 6;
    my ($x0, $y0) = map { $r + 1 + rand(30 - 2 * $r) } 1 .. 2;
    my $in = $inside[$class];
    my $mask = '';

    for my $y (0 .. 31) {
        my $v = ($y + 0.5 - $y0) / $r;
        $mask .= join '', map {
            $in->(($_ + 0.5 - $x0) / $r, $v) ? "\xff" : "\0"
        } 0 .. 31;
    }

    my (@fore, @back, $far);

    do {
        @fore = map { 32 * int rand 8 } 1 .. 3;
        @back = map { 32 * int rand 8 } 1 .. 3;
        $far = abs($fore[0] + $fore[1] + $fore[2]
                   - $back[0] - $back[1] - $back[2]);
    } while $far < 240;

    return join '', map {
        (($mask & chr($fore[$_]) x 1024) | (~$mask & chr($back[$_]) x 1024))
        | substr $noise, rand(length($noise) - 1024), 1024
    } 0 .. 2;
}


sub spew {
    my ($path, $bytes) = @_;

    open my $f, '>:raw', $path or die "$path: $!\n";
    print $f $bytes;
    close $f or die "$path: $!\n";
}


sub records {
    return join '', map { my $c = int rand 10; chr($c) . draw($c) } 1 .. $_[0];
}


# PNG's checksums, and deflate's blocks that are stored as they are.

sub crc {
    my $c = 0xffffffff;

    for my $byte (unpack 'C*', $_[0]) {
        $c ^= $byte;
        $c = $c & 1 ? 0xedb88320 ^ ($c >> 1) : $c >> 1 for 1 .. 8;
    }

    return $c ^ 0xffffffff;
}


sub adler {
    my ($a, $b) = (1, 0);

    for my $byte (unpack 'C*', $_[0]) {
        $a = ($a + $byte) % 65521;
        $b = ($b + $a) % 65521;
    }

    return $b << 16 | $a;
}


sub chunk {
    return pack('N', length $_[1]) . $_[0] . $_[1] . pack 'N', crc("$_[0]$_[1]");
}


sub png {
    my ($planes) = @_;

    my $raw = '';

    for my $y (0 .. 31) {
        $raw .= "\0" . join '', map {
            my $at = $y * 32 + $_;
            join '', map { substr $planes, 1024 * $_ + $at, 1 } 0 .. 2
        } 0 .. 31;
    }

    return "\x89PNG\r\n\x1a\n"
           . chunk('IHDR', pack 'NNC5', 32, 32, 8, 2, 0, 0, 0)
           . chunk('IDAT', "\x78\x01\x01" . pack('vv', length $raw,
                                                 ~length($raw) & 0xffff)
                           . $raw . pack 'N', adler($raw))
           . chunk('IEND', '');
}


if (@ARGV == 2 && $ARGV[0] =~ /\.png$/) {
    my ($class) = grep { $name[$_] eq $ARGV[1] } 0 .. 9;
    die "no class \"$ARGV[1]\"; @name\n" if !defined $class;

    srand(1000 + $class);
    spew($ARGV[0], png(draw($class)));
    exit;
}

die "usage: $0 FOLDER ROWS TEST | $0 FILE.png CLASS\n" if @ARGV != 3;

my ($folder, $rows, $test) = @ARGV;

srand(3);
-d $folder || mkdir $folder or die "$folder: $!\n";
spew("$folder/data_batch_$_.bin", records($rows / 5)) for 1 .. 5;
spew("$folder/test_batch.bin", records($test));
spew("$folder/batches.meta.txt", join "\n", @name, '');
