# Requests of several lengths in one run: padded to the longest, cut back to
# their own, with the bits that each has alone; what is too short for its
# mates, what is wrong, what sees nothing, what padding would change.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasTest;
use Test::More;

my $t = MaasTest->new(debug => 1, http => <<'EOC');
    maas_threads 1;

    maas_model slow  { source %MODELS%/slow.onnx; batch max=16; run pool;
                       queue timeout=60s; }
    maas_model bert  { source %MODELS%/bert; run pool; queue timeout=60s;
                       batch max=16 delay=60ms; }
    maas_model leaky { source %MODELS%/leaky; run pool; queue timeout=60s;
                       batch max=16 delay=60ms; }

    log_format maas '$uri $status $maas_status $maas_batch_size';

    server {
        listen 127.0.0.1:%PORT%;
        access_log logs/access.log maas;
        location /v2 { maas_api kserve; }
    }
EOC

$t->start;

sub uri { return "/v2/models/$_[0]/infer" }

my $seen = 0;

sub lines {
    return read_file("$t->{prefix}/logs/access.log")
           =~ m{^/v2/models/\w+/infer (?!499)\d+ \w+ (\S+)$}mg;
}

sub together {
    my ($model, @bodies) = @_;

    wait_for(20, sub { my @done = lines(); @done >= $seen });

    # all come while the thread runs something else, which then leaves
    my $run = $t->hold(uri('slow'));
    my $from = $t->mark;
    my @s = map { $t->send('POST', uri($model), $_) } @bodies;

    $t->phase($from, '(?:queue|reply)', scalar @bodies);
    close $run;
    $seen += @s;
    return map { $t->answer($_) } @s;
}

sub alone {
    my ($model, @bodies) = @_;

    $seen += @bodies;
    return map { $t->post(uri($model), $_) } @bodies;
}

# Sizes of the runs of the last $n answers, ascending.

sub sizes {
    my ($n) = @_;

    my @size;
    wait_for(20, sub { (@size = lines()) >= $seen });
    return join ' ', sort { $a <=> $b } @size[-$n .. -1];
}

# A text of $length words; $rows of them.  The mask leaves $hidden out at the
# end of each.

sub text {
    my ($seed, $length, $rows, $hidden) = @_;

    $rows //= 1;
    $hidden //= 0;

    my $input = sub {
        my ($name, $make) = @_;
        my @data = map { my $r = $_; map { $make->($r, $_) } 1 .. $length }
                   1 .. $rows;
        return qq({"name":"$name","shape":[$rows,$length],"datatype":"INT64",)
               . '"data":[' . join(',', @data) . ']}';
    };

    return '{"inputs":[' . join(',',
        $input->('input_ids', sub { ($seed * 7 + $_[0] * 3 + $_[1] * 13) % 50 }),
        $input->('attention_mask', sub { $_[1] <= $length - $hidden ? 1 : 0 }),
        $input->('token_type_ids', sub { $_[1] * 2 > $length ? 1 : 0 }))
        . ']}';
}

# padding begins when it is known to change nothing

ok(wait_for(20, sub { together('bert', text(1, 12), text(2, 14));
                      sizes(2) eq '2 2' }),
   'texts of several lengths run together');
ok($t->wait_log(qr/maas model "leaky" version 1: its requests run with those of the same length only, in spite of "batch.pad" of model.json: output 'y' of a row that is padded from \d+ to 61 is/),
   'a model that padding changes says so');

my $config = decode_json($t->get('/v2/models/bert/config')->{body});
is(join(' ', map { $_->{allow_ragged_batch} ? 'yes' : 'no' }
             @{$config->{input}}), 'yes yes yes', 'the configuration tells');

# the same bytes, alone and together: lengths, rows, masks of their own

my @bodies = map { text($_, 9 + $_ % 8, 1 + $_ % 2, $_ % 4) } 1 .. 8;
my @want = alone('bert', @bodies);
my @got = together('bert', @bodies);
is(scalar(grep { $got[$_]{status} == 200
                 && $got[$_]{body} eq $want[$_]{body} } 0 .. 7), 8,
   'mixed lengths: each answer is that of its single run');
is(sizes(8), '8 8 8 8 8 8 8 8', 'all of them in one run');
is(join(' ', map { "@{$_->{shape}}" }
             @{decode_json($got[3]{body})->{outputs}}), '1 13 32 1 32',
   'each output has its own length');

# the longest that the model takes; short ones

@bodies = map { text($_, 62 + $_ % 3) } 1 .. 6;
@want = alone('bert', @bodies);
@got = together('bert', @bodies);
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 5), 6,
   'up to the last position');
is(sizes(6), '6 6 6 6 6 6', 'together');

@bodies = map { text($_, $_) } 1 .. 6;
@want = alone('bert', @bodies);
@got = together('bert', @bodies);
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 5), 6,
   'texts of 1 to 6 words');

# "limit": 2: what would be mostly padding waits for another run

@bodies = (text(1, 60), (map { text($_, 4) } 2 .. 4), text(5, 50));
@want = alone('bert', @bodies);
@got = together('bert', @bodies);
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 4), 5,
   'long ones and short ones');
ok(sizes(5) =~ /^(\d) .*(\d)$/ && $1 < $2 && $2 < 5,
   'are not all in one run') or diag(sizes(5));

# one that is wrong among its mates

@bodies = map { text($_, 10 + $_) } 1 .. 5;
$bodies[2] =~ s/"data":\[\d+/"data":[99/;
@want = alone('bert', @bodies);
@got = together('bert', @bodies);
is(join(' ', map { $_->{status} == 200 ? 'ok' : 'bad' } @got),
   'ok ok bad ok ok', 'a word that there is not: one fails');
like($got[2]{body}, qr/99/, 'and is told why');
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 4), 5,
   'the others have their answers');

# a text of which the mask shows nothing is the mean of whatever there is

@bodies = (text(1, 11), text(2, 12, 1, 12), text(3, 14));
@want = alone('bert', @bodies);
@got = together('bert', @bodies);
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 2), 3,
   'an empty mask: nothing is added to it');
is(sizes(3), '1 2 2', 'it runs without the others');

# inputs of a request that are not of one length

my $odd = text(1, 12);
my $short = text(1, 11);
$odd =~ s/("name":"token_type_ids".*)$//s;
$short =~ /("name":"token_type_ids".*)$/s;
@bodies = (text(2, 12), $odd . $1, text(3, 13));
@got = together('bert', @bodies);
is(join(' ', map { $_->{status} == 200 ? 'ok' : 'bad' } @got), 'ok bad ok',
   'lengths that disagree are refused alone');

# where padding is seen, equal lengths still run together

@bodies = map { infer([1, 3 + $_ % 2], map { $_ / 4 } 1 .. 3 + $_ % 2) }
          1 .. 6;
@want = alone('leaky', @bodies);
@got = together('leaky', @bodies);
is(scalar(grep { $got[$_]{body} eq $want[$_]{body} } 0 .. 5), 6,
   'leaky: right answers');
is(sizes(6), '3 3 3 3 3 3', 'runs of equal lengths');

# clients that leave, before and during the run

for my $when ('before', 'in') {
    my $run = $t->hold(uri('slow'));
    my @s = $t->queue(uri('bert'), map { text($_, 9 + $_) } 1 .. 6);

    if ($when eq 'in') {
        my $from = $t->mark;
        close $run;
        $t->phase($from, 'start', 6);
    }

    close $s[$_] for 0, 3;
    close $run if $when eq 'before';
    is(scalar(grep { $t->answer($s[$_])->{status} == 200 } 1, 2, 4, 5), 4,
       "those that leave $when the run harm no other");
}

done($t);
