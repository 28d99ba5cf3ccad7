# maas train with a model of type "finetune": losses as PyTorch has them,
# digits on a frozen convolutional backbone, an encoder with LoRA; the file
# that is written differs from its source in the values that were trained,
# and in nothing else; what is said of mistakes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use JSON::PP;
use Test::More;

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->canonical;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

system($python, "$FindBin::Bin/finetune_models.py", $tmp) == 0
    or BAIL_OUT('models');

spew("$tmp/compare.py", <<'EOP');
# SOURCE RESULT: names of initializers with other values, all else equal but
# with "head" declared shapes.
import sys, numpy as np, onnx
from onnx import numpy_helper as nh
a, b = onnx.load(sys.argv[1]), onnx.load(sys.argv[2])
onnx.checker.check_model(b, full_check=True)
other = []
for x, y in zip(a.graph.initializer, b.graph.initializer):
    assert x.name == y.name
    p, q = nh.to_array(x), nh.to_array(y)
    if p.shape != q.shape or not np.array_equal(p, q):
        other.append(x.name)
        for t in x, y:
            t.ClearField('raw_data')
            t.ClearField('dims')
if 'head' in sys.argv:
    for m in a, b:
        del m.graph.value_info[:]
        del m.graph.output[0].type.tensor_type.shape.dim[1:]
assert a == b
print(' '.join(other))
EOP

my $n = 0;

my %digits = (
    name => 'conv', seed => 7, loss => 'categorical_crossentropy',
    data => { path => 'digits.csv', target => 'y',
              split => { validation => 0.2 } },
    optimizer => { type => 'adam', learning_rate => 0.005 },
    epochs => 3, batch_size => 32
);

# The result of a training; %model goes into "model".

sub train {
    my ($spec, %model) = @_;
    my $file = spew("$tmp/s" . ++$n . '.json', $json->encode({ %$spec,
                    store => 'models',
                    model => { type => 'finetune', %model } }));
    my $r = maas('train', '--json', '--log-steps', 1, $file);

    for (map { json($_) } split /\n/, $r->{out}) {
        push @{$r->{$_->{event}}}, $_;
    }

    $r->{metrics} = $r->{done}[0]{metrics} if $r->{done};
    $r->{path} = "$tmp/" . ($r->{done}[0]{path} =~ s{^\Q$tmp\E/}{}r)
        if $r->{done};
    return $r;
}


sub other {
    my ($source, $r, @more) = @_;
    my $c = run($python, "$tmp/compare.py", "$tmp/$source",
                "$r->{path}/model.onnx", @more);

    diag($c->{err}) if $c->{status};
    return $c->{out} =~ s/\s+\z//r;
}


sub refused {
    my ($spec, $like, $what, %model) = @_;
    my $r = train($spec, %model);

    isnt($r->{status}, 0, "$what: refused");
    like($r->{err}, $like, '  and said why');
}


# all weights, against PyTorch, whose losses finetune_models.py wrote

my $r = train({ %digits, epochs => 1, shuffle => $false,
                data => { path => 'digits.csv', target => 'y' },
                optimizer => { type => 'sgd', learning_rate => 0.02,
                               momentum => 0.9 } }, source => 'conv.onnx');
is($r->{status}, 0, 'a model is trained further') or diag($r->{err});

my $want = json(slurp("$root/t/data/finetune.json"))->{losses};
my $worst = 0;
for my $i (0 .. 19) {
    my $e = abs($r->{step}[$i]{loss} / $want->[$i] - 1);
    $worst = $e if $e > $worst;
}
cmp_ok($worst, '<', 1e-4, '  losses of 20 steps are PyTorch\'s');
is(other('conv.onnx', $r), 'conv1.weight conv1.bias conv2.weight conv2.bias '
   . 'fc.weight fc.bias', '  all weights changed, BatchNormalization not');

my $lineage = json(slurp("$r->{path}/lineage.json"));
like($lineage->{source}{digest}, qr/^[0-9a-f]{64}$/, '  digest of the source');
like($lineage->{source}{path}, qr/conv\.onnx$/, '  and its path');

my $base = $r->{path};


# what is chosen

is(other('conv.onnx', train(\%digits, source => 'conv.onnx',
                            train => { last => 2 })),
   'conv2.weight conv2.bias fc.weight fc.bias', 'the last two layers');
is(other('conv.onnx', train(\%digits, source => 'conv.onnx',
                            train => ['conv2*', 'fc.bias'])),
   'conv2.weight conv2.bias fc.bias', 'by name');
is(other('conv.onnx', train(\%digits, source => 'conv.onnx',
                            batch_norm => 'train', train => ['bn*'])),
   'bn.weight bn.bias bn.mean bn.var', 'BatchNormalization learns');


# a frozen backbone and a new head: another question to the same digits

my $even = { %digits, name => 'even', data => { %{$digits{data}},
             path => 'even.csv' } };
$r = train($even, source => $base, head => $true, train => { last => 1 });
is($r->{status}, 0, 'a new head on a version') or diag($r->{err});
cmp_ok($r->{metrics}{validation_accuracy}, '>', 0.9, '  it answers');
is(other("models/conv/1/model.onnx", $r, 'head'), 'fc.weight fc.bias',
   '  nothing else changed');
is(slurp("$r->{path}/labels.txt"), "even\nodd\n", '  labels');

my $run = maas('run', $r->{path}, '--input', npy("$tmp/x.npy", [2, 64],
               (8) x 128));
is($run->{status}, 0, '  it runs') or diag($run->{err});


# LoRA

my %tokens = (name => 'encoder', seed => 1, epochs => 30, batch_size => 32,
              data => { path => 'tokens.csv', target => 'y',
                        split => { validation => 0.2 } },
              optimizer => { type => 'adam', learning_rate => 0.01 });

$r = train(\%tokens, source => 'encoder.onnx', head => $true,
           lora => { rank => 4, alpha => 8, targets => ['attention.*'] });
is($r->{status}, 0, 'an encoder with adapters') or diag($r->{err});
cmp_ok($r->{metrics}{validation_accuracy}, '>', 0.85, '  it learned');
is($r->{done}[0]{training}{weights}, 3 * 2 * 16 * 4 + 16 * 2 + 2,
   '  A and B of three matrices, and the head');
is(other('encoder.onnx', $r, 'head'),
   'q.weight k.weight v.weight fc.weight fc.bias', '  merged into three');

# What is written computes what was trained: the loss of the rows is the same.

my $again = train({ %tokens, epochs => 0, name => 'again' },
                  source => $r->{path});
for ('loss', 'validation_loss') {
    cmp_ok(abs($again->{metrics}{$_} / $r->{metrics}{$_} - 1), '<', 1e-5,
           "  $_ of the merged model");
}

$r = train({ %digits, epochs => 1 }, source => 'conv.onnx',
           lora => { rank => 2 });
is(other('conv.onnx', $r), 'fc.weight', 'an adapter of a transposed Gemm');
$again = train({ %digits, epochs => 0, name => 'again' },
               source => $r->{path});
cmp_ok(abs($again->{metrics}{loss} / $r->{metrics}{loss} - 1), '<', 1e-5,
       '  is merged as it was trained');


# several inputs: their columns side by side

$r = train({ %tokens, name => 'masked', data => { %{$tokens{data}},
             path => 'masked.csv' } }, source => 'masked.onnx',
           head => $true);
is($r->{status}, 0, 'ids and a mask') or diag($r->{err});
cmp_ok($r->{metrics}{accuracy}, '>', 0.9, '  are learned');


# the same seed

my @same = map { train({ %digits, name => "same$_" }, source => 'conv.onnx',
                       lora => {}, train => ['conv*']) } 1 .. 2;
is("@{[map { $_->{status} } @same]}", '0 0', 'adapters and weights together');
is(slurp("$same[0]{path}/model.onnx"), slurp("$same[1]{path}/model.onnx"),
   'the same seed, the same bytes');


# a frozen prefix runs once for each row: the same bits as without that

for (['conv.onnx', \%digits, head => $true, train => { last => 1 }],
     ['conv.onnx', \%digits, train => ['fc*', 'conv2*']],
     ['conv.onnx', { %digits, folds => 3 }, train => ['fc*']],
     ['encoder.onnx', \%tokens, head => $true,
      lora => { targets => ['attention.*'] }],
     ['encoder.onnx', \%tokens, head => $true, train => ['ln*']])
{
    my ($source, $spec, @model) = @$_;
    my ($with, $without) = map {
        train({ %$spec, name => "cache$_" }, source => $source, @model,
              cache => $_ ? $true : $false)
    } 1, 0;

    is($with->{status}, 0, "$source in two parts") or diag($with->{err});
    is(join(' ', map { $_->{loss} } @{$with->{step}}),
       join(' ', map { $_->{loss} } @{$without->{step}}),
       '  the same loss at each step');
    is($json->encode($with->{metrics}), $json->encode($without->{metrics}),
       '  the same measures');
    is(slurp("$with->{path}/model.onnx"),
       slurp("$without->{path}/model.onnx"), '  the same file');
    cmp_ok($with->{done}[0]{training}{cached} // 0, '>', 0, '  kept');
}


# mistakes

refused(\%digits, qr/no weight 'conv2\.wieght'.*conv2\.weight/,
        'a misspelt name', source => 'conv.onnx',
        train => ['conv2.wieght']);
refused(\%digits, qr/'bn\.mean' cannot be trained: it belongs to a Batch/,
        'a frozen statistic', source => 'conv.onnx', train => ['bn.mean']);
refused(\%digits, qr/nothing to train/, 'nothing chosen',
        source => 'conv.onnx', train => 'none');
refused(\%digits, qr/nothing to train/, 'a model without weights',
        source => 'bare.onnx');
refused(\%digits, qr/'before' cannot be trained: node 'det' \(Det\).*no grad/,
        'an operator without a gradient', source => 'hard.onnx');
refused(\%digits, qr/input 'x' has a fixed batch of 1/, 'a fixed batch',
        source => 'fixed.onnx');
refused($even, qr/\[N,10\].*there are 2 classes/, 'labels and head',
        source => 'conv.onnx');
refused(\%tokens, qr/a row of input 'x' is \[64\], a row of the data \[12\]/,
        'columns and input', source => 'conv.onnx');
refused(\%digits, qr/no output 'z'/, 'no such output',
        source => 'conv.onnx', output => 'z');
refused(\%digits, qr/lora: unknown.*"rnk".*rank/, 'a misspelt key',
        source => 'conv.onnx', lora => { rnk => 4 });
refused(\%digits, qr/targets.*'fcc'.*fc/, 'a target that is not there',
        source => 'conv.onnx', lora => { targets => ['fcc'] });
refused(\%digits, qr/none\.onnx: No such file/, 'no source',
        source => 'none.onnx');
refused(\%digits, qr/digits\.csv: .*not|digits\.csv/, 'no model',
        source => 'digits.csv');
refused(\%digits, qr/"source"/, 'source left out');
refused({ %digits, pipeline => [{ type => 'scale' }] }, qr/"pipeline"/,
        'steps before it', source => 'conv.onnx');

ok(train(\%digits, source => 'hard.onnx', train => ['after'])->{status} == 0,
   'behind such an operator training goes on');



# the example of docs/training.md

my ($example) = slurp("$root/docs/training.md")
                =~ /## Fine-tuning.*?```json\n(.*?)```/s;
$example = json($example);
my $model = delete $example->{model};
delete $model->{type};
$r = train($example, %$model);
is($r->{status}, 0, 'the example of the documentation') or diag($r->{err});
is(other('conv.onnx', $r, 'head'),
   'conv2.weight conv2.bias fc.weight fc.bias', '  does what it says');

done_testing();
