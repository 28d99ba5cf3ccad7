# Command lines that are wrong, one a row: exit code and text.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $wrong = "$tmp/wrong";
system('/usr/bin/python3', "$root/t/data/make_wrong.py", $wrong);
BAIL_OUT('make_wrong.py failed') if $?;
spew("$tmp/text.json", '{"a": 1}');

# exit code, parts of the text, arguments

my @rows = (
    [2, qr/unknown command "complie"; did you mean "compile"\?/, 'complie'],
    [2, qr/which model\?/, 'run'],
    [2, qr/unknown option "--inptu"; did you mean "--input"\?/,
     'run', $digits, '--inptu', 'x'],
    [2, qr/--threads x: expected a positive integer/,
     'run', $digits, '--threads', 'x'],
    [2, qr/--numerics slow: expected exact or fast/,
     'compile', '--numerics', 'slow', $digits],
    [1, qr/none\.onnx: No such file or directory/, 'run', "$tmp/none.onnx"],
    [1, qr/run: none\.png: No such file/, 'run', $digits, '--input',
     'none.png'],
    [1, qr/raw bytes are no tensor of .*; other files end in \.npy, \.pb or/,
     'run', $digits, '--input', "$root/README.md"],
    [1, qr/the model has no input "imag"; it takes "image"/,
     'run', $digits, '--input', "imag=$digits/sample.png"],
    [1, qr/text\.json: JSON, byte 0: .*an object where a value of float32/,
     'run', $digits, '--input', "$tmp/text.json"],
    [1, qr/input 'image': shape \[\?,1,8,8\] expected, but \[1,1,9,9\] came/,
     'bench', $digits, '--shape', 'image=1,1,9,9'],
    [1, qr/--shape image=a: expected NAME=1,3,224,224/,
     'inspect', $digits, '--plan', '--shape', 'image=a'],
    [1, qr/expected the name of an input before '=', the first is "image"/,
     'inspect', $digits, '--plan', '--shape', 'z=1'],
    [1, qr/not an image of a model/, 'verify', "$digits/model.onnx"],
    [1, qr/cannot create an image in \S+none: No such file/,
     'compile', '-o', "$tmp/none/x.maas", $digits],
    [1, qr/none\.conf: no such file/, 'compile', '--config', "$tmp/none.conf"],
    [1, qr/it is a zip archive, .*export it to ONNX/,
     'compile', "$wrong/zip.onnx"],
    [1, qr/cut off, or damaged; copy it again/, 'run', "$wrong/truncated.onnx"],
    [1, qr/not served; did you mean "Softmax"\? \("maas inspect --ops"/,
     'inspect', "$wrong/misspelled.onnx"],
    [1, qr/opset 99 is not served; .*export the model/,
     'bench', "$wrong/opset99.onnx"],
);

for (@rows) {
    my ($status, $re, @args) = @$_;

    my $r = maas(@args);
    (my $name = "maas @args") =~ s/\Q$tmp\E/TMP/g;
    is($r->{status}, $status, "$name: exit $status");
    like($r->{err}, $re, 'and why');
}

done_testing;
