# Scores by step as text (output.meaning "ctc"), and images whose width
# follows: over HTTP, and what is said when they do not fit the model.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    server {
        listen 127.0.0.1:%PORT%;
        location = /text  { maas_pass text; }
        location = /raw   { maas_pass raw; }
        location = /last  { maas_pass last; }
        location = /image { maas_pass image; }
    }

    maas_model text  { source %PREFIX%/text; }
    maas_model raw   { source %PREFIX%/raw; }
    maas_model last  { source %PREFIX%/last; }
    maas_model image { source %PREFIX%/image; }
EOC

my $p = $t->{prefix};

open my $py, '|-', '/usr/bin/python3', '-', "$FindBin::Bin/../data", $p
    or die $!;
print $py <<'EOP';
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from make_models import model
from onnx import TensorProto, helper, save
for name, shape in (('text', ['N', 'T', 4]), ('raw', ['N', 'T', 'C']),
                    ('last', ['T', 'N', 4]), ('ints', ['N', 'T', 4]),
                    ('image', ['N', 3, 'H', 'W'])):
    m = model(name, [helper.make_node('Identity', ['x'], ['y'], 'identity')],
              shape, shape, [])
    if name == 'ints':
        for port in (m.graph.input[0], m.graph.output[0]):
            port.type.tensor_type.elem_type = TensorProto.INT64
    os.mkdir(sys.argv[2] + '/' + name)
    save(m, '%s/%s/model.onnx' % (sys.argv[2], name))
EOP
close $py or die 'no models';

my $words = "a\n\xc3\xa4\n \n";

write_file("$p/$_/labels.txt", $words) for qw(text raw);
write_file("$p/last/labels.txt", "x\n$words");
write_file("$p/$_/model.json", '{"output":{"meaning":"ctc"}}')
    for qw(text raw);
write_file("$p/last/model.json", '{"output":{"meaning":"ctc","blank":-1,'
           . '"merge_repeats":false,"order":"TNC","softmax":true}}');
write_file("$p/image/model.json", '{"input":{"image":{"fit":"scale",'
           . '"height":5,"longest":9}}}');

$t->start;


sub ask {
    my ($uri, $body, $type) = @_;

    my $r = $t->post($uri, $body, 'Content-Type' => $type
                                                    // 'application/json');
    diag($r->{body}) if $r->{status} != 200;

    return decode_json($r->{body});
}


# A step whose best class is k, with probability p.

sub steps {
    my ($p, @k) = @_;

    return [map { my $k = $_; [map { $_ == $k ? $p : 0.01 } 0 .. 3] } @k];
}


# blank 0; a, ä and a space are 1, 2 and 3

my $row = steps(0.5, 0, 1, 1, 0, 1, 3, 2, 2, 2, 0);
my $got = ask('/text', encode_json([$row]));
is($got->{text}, "aa \xe4", 'repeats are one, a blank parts them');
is($got->{score}, 0.5, 'the mean of its characters');

$row->[1][1] = 0.9;
$row->[2][1] = 0.7;
$got = ask('/text', encode_json([$row]));
is(sprintf('%.4f', $got->{score}), '0.6000', 'of the first of each');

is(join(',', sort keys %$got), 'model,score,text,version', 'its keys');

$got = ask('/text', encode_json([steps(1, 1, 2), steps(1, 0, 0)]));
is_deeply($got->{results}, [{ text => "a\xe4", score => 1 },
                            { text => '', score => 0 }], 'two rows');


$got = ask('/raw', encode_json([steps(1, 1, 1)]));
is($got->{text}, 'a', 'classes that only the request knows');

$got = ask('/raw', '[[[1,0]]]');
is_deeply($got->{outputs}, { y => [[[1, 0]]] },
          'outputs as they are when the labels do not fit');

# blank 3 of 4 lines; logits; [steps, rows, classes]; repeats stay

my @logit = map { [map { $_ * 4 } @$_] } @{steps(1, 0, 0, 3, 2)};
$got = ask('/last', encode_json([map { [$_, $_] } @logit]));
is_deeply([map { $_->{text} } @{$got->{results}}], ["xx\xe4", "xx\xe4"],
          'steps first, blank last, repeats kept');
cmp_ok(abs($got->{results}[0]{score} - exp(4) / (exp(4) + 3 * exp(0.04))),
       '<', 1e-6, 'the softmax of the scores');

# the command

write_file("$p/x.json", encode_json([$row, steps(1, map { 0 } @$row)]));
my $maas = $t->maas;
like(`$maas run $p/text --input $p/x.json 2>&1`,
     qr/\n   0\.60000  "aa \xc3\xa4"\n   0\.00000  ""\n\z/,
     'maas run shows the text of each row');

# images: 8x8 to height 5; the width follows

my $root = "$FindBin::Bin/../..";
my $png = read_file("$root/conf/models/digits/sample.png");
my $image = ask('/image', $png, 'image/png')->{outputs}{y}[0];
is(join('x', scalar @$image, scalar @{$image->[0]},
        scalar @{$image->[0][0]}), '3x5x5', 'the width follows');


# mistakes

sub says {
    my ($name, $json, $labels, $re) = @_;

    write_file("$p/$name/model.json", $json);
    defined $labels ? write_file("$p/$name/labels.txt", $labels)
                    : unlink "$p/$name/labels.txt";

    my $out = `$maas compile $p/$name -o $p/x.maas 2>&1`;
    isnt($?, 0, "$json is refused");
    like($out, $re, 'and said why');
}


my $ctc = '{"output":{"meaning":"ctc"}}';

says('text', $ctc, "a\nb\n",
     qr/labels\.txt has 2 lines, but output "y" has 4 classes: 4 lines are /);
says('text', $ctc, undef, qr/"ctc" needs a labels\.txt/);
says('text', '{"output":{"meaning":"ctc","blank":4}}', $words,
     qr/blank is 4, but there are 4 classes/);
says('ints', $ctc, $words, qr/"y" is int64 of rank 3; floats of rank 3/);
says('image', $ctc, $words, qr/"y" is float32 of rank 4/);

done($t);
