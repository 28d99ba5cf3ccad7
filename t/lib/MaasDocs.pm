package MaasDocs;

# Reads the documentation for its tests: the fenced blocks of a file, and the
# text of its sections.  Core Perl only.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use JSON::PP;

our @EXPORT = qw($root slurp blocks section same);

our $root = abs_path(dirname(__FILE__) . '/../..');


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$fh> // '';
}


# Blocks in order: { lang, text, line, next }; next is the block whose fence
# follows immediately.

sub blocks {
    my ($file) = @_;

    my (@all, $b, $end);
    my $n = 0;

    for my $line (split /\n/, slurp("$root/$file")) {
        $n++;

        if (!$b && $line =~ /^```(\w+)$/) {
            $b = { lang => $1, text => '', line => $n, file => $file };
            $all[-1]{next} = $b if @all && defined $end && $end == $n - 1;
            push @all, $b;

        } elsif ($b && $line eq '```') {
            $end = $n;
            undef $b;

        } elsif ($b) {
            $b->{text} .= "$line\n";
        }
    }

    return @all;
}


# The text under a heading, up to the next one of its level or above.

sub section {
    my ($file, $heading) = @_;

    my $text = slurp("$root/$file");
    $text =~ s/^(```\w+\n)(.*?)^```$/my ($a, $b) = ($1, $2); $b =~ s{^#}{ #}mg;
                                     "$a$b```"/gems;

    my ($level) = $heading =~ /^(#+)/;
    my $n = length $level;

    return $text =~ /^\Q$heading\E\n(.*?)(?=^#{1,$n} |\z)/ms ? $1 : undef;
}


my $number = qr/-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/;


sub close_to {
    my ($x, $y) = @_;

    return abs($x - $y) <= 1e-5 + 1e-3 * abs $x;
}


# "..." stands for anything, also within a line; numbers with a fraction may
# differ a little.

sub same_text {
    my ($got, $want) = @_;

    $_ =~ s/\r//g, $_ =~ s/\s+\z// for $got, $want;

    my (@number, $re);
    my $last = 0;

    while ($want =~ /(\.\.\.)|(-?\d+\.\d+(?:e-?\d+)?)|(\s+)/g) {
        $re .= quotemeta substr $want, $last, $-[0] - $last;
        $last = $+[0];

        if (defined $1) {
            $re .= '.*?';

        } elsif (defined $2) {
            push @number, $2;
            $re .= "($number)";

        } else {
            $re .= '\s+';
        }
    }

    $re .= quotemeta substr $want, $last;
    $re =~ s/\.\*\?\\s\+/.*?\\s*/g;
    $re =~ s/\\s\+\.\*\?/\\s*.*?/g;

    my @got = $got =~ /\A$re\s*\z/s or return 0;

    for my $i (0 .. $#number) {
        return 0 if !close_to($number[$i], $got[$i]);
    }

    return 1;
}


sub same_value {
    my ($got, $want) = @_;

    if (ref $want ne ref $got) {
        return !ref $want && defined $want && $want eq '...';
    }

    if (ref $want eq 'HASH') {
        return 0 if join("\n", sort keys %$want) ne join("\n", sort keys %$got);
        return !grep { !same_value($got->{$_}, $want->{$_}) } keys %$want;
    }

    if (ref $want eq 'ARRAY') {
        return 0 if @$want != @$got;
        return !grep { !same_value($got->[$_], $want->[$_]) } 0 .. $#$want;
    }

    return !defined $got if !defined $want;
    return 1 if $want eq '...';
    return 0 if !defined $got;
    return close_to($want, $got) if "$want $got" =~ /\A$number $number\z/;

    return $want =~ /\.\.\./ ? same_text($got, $want) : $want eq $got;
}


sub same {
    my ($got, $want, $lang) = @_;

    return same_text($got, $want) if $lang ne 'json';

    my $json = JSON::PP->new->utf8->allow_nonref;
    my $value = eval { $json->decode($got) };

    return defined $value && same_value($value, $json->decode($want));
}

1;
