# Configurations that are wrong, one a row.  Each refuses "nginx -t" with the
# file and line of the error and a text that says what is wrong, what was
# expected or how to mend it.  conf.t has the good ones, and compilers that
# fail.  prove -v shows the texts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new;
my $prefix = $t->{prefix};
my $wrong = "$prefix/wrong";

system('/usr/bin/python3', "$FindBin::Bin/../data/make_wrong.py", $wrong);
BAIL_OUT('make_wrong.py failed') if $?;

mkdir "$prefix/$_"
    for qw(empty store store/a store/a/1 store/a/3 both both/1 several half
           half/1 half/2 image);
my $mlp = read_file($t->fill('%MODELS%/mlp.onnx'));
write_file("$prefix/$_", $mlp)
    for qw(store/a/1/model.onnx store/a/3/model.onnx both/model.onnx
           both/1/model.onnx several/a.onnx several/b.onnx
           half/1/model.onnx);

my $mlp_conf = 'maas_model mlp { source %MODELS%/mlp.onnx; }';


# A folder with a model, model.json and labels.txt: the text of its block.

my $folders = 0;

sub beside {
    my ($json, $labels, $model) = @_;

    my $dir = "$prefix/beside" . ++$folders;
    mkdir $dir;
    write_file("$dir/model.onnx", $model // $mlp);
    write_file("$dir/model.json", $json) if defined $json;
    write_file("$dir/labels.txt", $labels) if defined $labels;

    return "maas_model m { source $dir; }";
}


sub key { return "maas_model m {\n$_[0]\n}" }

sub location { return "$mlp_conf\nserver { location / {\n$_[0]\n} }" }

sub file { return "maas_model m { source $wrong/$_[0].onnx; }" }


# what is wrong, line in the text (0: none is known), the text of the http
# block, and parts of the message: what was wrong, what was expected, how to
# mend it

my @rows = (

    # -- directives: names, contexts, arguments

    ['a misspelled directive', 1, 'maas_modle m { }',
     qr/unknown directive "maas_modle"/],
    ['a model without its block', 1, 'maas_model m;',
     qr/"maas_model" has no opening "\{"/],
    ['a block that is not closed', 0, "maas_model m {\nsource a;",
     qr/unexpected end of file, expecting "\}"/],
    ['a model in a server', 1, 'server { maas_model m { } }',
     qr/"maas_model" directive is not allowed here/],
    ['maas_pass in a server', 1, 'server { maas_pass m; }',
     qr/"maas_pass" directive is not allowed here/],
    ['maas_api in http', 1, 'maas_api kserve;',
     qr/"maas_api" directive is not allowed here/],
    ['maas_threads in a location', 3, location('maas_threads 1;'),
     qr/"maas_threads" directive is not allowed here/],
    ['one argument too many', 1, 'maas_threads 2 3;',
     qr/invalid number of arguments in "maas_threads"/],
    ['maas_api without a dialect', 3, location('maas_api;'),
     qr/invalid number of arguments in "maas_api"/],

    # -- values

    ['threads: none', 1, 'maas_threads 0;',
     qr/invalid number of threads "0"/, qr/expected "auto" or 1 to 1024/],
    ['threads: twice', 1, 'maas_threads 1; maas_threads 2;',
     qr/"maas_threads" directive is duplicate/],
    ['startup: no such word', 1, 'maas_startup lazy;',
     qr/invalid value "lazy" of "maas_startup"/,
     qr/expected "strict" or "degraded"/],
    ['startup: twice', 1, 'maas_startup strict; maas_startup strict;',
     qr/"maas_startup" directive is duplicate/],
    ['memory: no size', 1, 'maas_memory much;',
     qr/invalid value "much" of "maas_memory"/,
     qr/expected a size, for example 8g, or 0/],
    ['memory: twice', 1, 'maas_memory 1g; maas_memory 2g;',
     qr/"maas_memory" directive is duplicate/],
    ['memory: less than the models take', 1, "maas_memory 1k;\n$mlp_conf",
     qr/have \d+ bytes, "maas_memory" is 1024/,
     qr/raise it, or keep fewer versions/],
    ['memory idle: no time', 1, 'maas_memory_idle soon;',
     qr/invalid value "soon" of "maas_memory_idle"/,
     qr/expected a time, for example 10s, or "off"/],
    ['memory idle: twice', 1, 'maas_memory_idle off; maas_memory_idle 1m;',
     qr/"maas_memory_idle" directive is duplicate/],
    ['body memory: none', 1, 'maas_body_memory 0;',
     qr/invalid value "0" of "maas_body_memory"/,
     qr/expected a size above 0, for example 256m/],
    ['compile timeout: no time', 1, 'maas_compile_timeout never;',
     qr/invalid value "never" of "maas_compile_timeout"/,
     qr/expected a time above 0, for example 60s/],
    ['compile timeout: none', 1, 'maas_compile_timeout 0;',
     qr/invalid value "0" of "maas_compile_timeout"/],
    ['images: no path', 0, 'maas_images "";',
     qr/"maas_images" directive needs a path/],
    ['images: twice', 0, 'maas_images a; maas_images b;',
     qr/"maas_images" directive is duplicate/],
    ['images: no parent folder', 0, "maas_images $prefix/no/no;\n$mlp_conf",
     qr{cannot create "\S+/no/no" for the images},
     qr/create its parent folder, or set "maas_images" in \S+:\d+/],
    ['images: a file', 0,
     "maas_images $prefix/conf/nginx.conf;\n$mlp_conf",
     qr/"\S+" of "maas_images" is not a folder/, qr/name one that may be/],
    ['a flag', 1, 'maas_error_detail maybe;',
     qr/invalid value "maybe"/, qr/it must be "on" or "off"/],
    ['a flag twice', 2, "maas_intercept_errors on;\n"
     . 'maas_intercept_errors on;', qr/is duplicate/],
    ['timeout: no time', 3, location('maas_timeout soon;'),
     qr/invalid value "soon" of "maas_timeout"/,
     qr/expected a time, for example 2s/],
    ['version: a path', 3, location('maas_version v/1;'),
     qr/invalid value "v\/1" of "maas_version"/,
     qr/expected a version number, a label, or ""/],
    ['version: not served', 3, location('maas_pass mlp; maas_version 2;'),
     qr/"maas_version 2" is no version or label of model "mlp"/,
     qr/which serves 1 in/],
    ['version: no such label', 1, "maas_version canary;\n"
     . 'maas_model m { source ../store/a; label old=1; }'
     . 'server { location / { maas_pass m; } }',
     qr/"maas_version canary" is no version or label of model "m"/,
     qr/which serves 1 3 "old" in/],
    ['store: no path', 1, 'maas_store "";', qr/"maas_store" .* needs a path/],
    ['store: not there', 1, 'maas_store nowhere;',
     qr/cannot open the folder "\S+nowhere" of "maas_store"/,
     qr/No such file or directory/],

    # -- the block of a model

    ['a name that is none', 1, 'maas_model -x { source a; }',
     qr/invalid name "-x"/, qr/starts with a letter or digit/],
    ['a model twice', 2, "$mlp_conf\n$mlp_conf",
     qr/duplicate maas_model "mlp"/, qr/the first is in \S+nginx\.conf:\d+/],
    ['a misspelled key', 2, key('sorce a;'),
     qr/unknown key "sorce" in maas_model "m"/, qr/known: source, versions, label, batch, queue, /,
     qr/did you mean "source"\?/],
    ['a key without a value', 2, key('queue;'),
     qr/invalid number of arguments of "queue"/,
     qr/expected "queue max=N timeout=TIME levels=N default=N age=TIME;"/],
    ['two sources', 2, key('source a b;'),
     qr/invalid number of arguments of "source"/,
     qr/expected "source PATH;"/],
    ['a key twice', 3, key("source a;\nsource b;"),
     qr/"source" of maas_model "m" is duplicate/],
    ['an empty source', 2, key('source "";'), qr/"source" of .* needs a path/],
    ['versions: latest=0', 2, key('versions latest=0;'),
     qr/invalid value "latest=0" of "versions"/, qr/expected "latest=N", "all"/],
    ['label: no version', 2, key('label stable;'),
     qr/invalid value "stable" of "label"/, qr/expected NAME=VERSION/],
    ['label: a number', 2, key('label 3=3;'),
     qr/a label that is not a number/],
    ['label: twice', 2, key('label a=1 a=2;'), qr/names one label twice/],
    ['queue: nobody may wait', 2, key('queue max=0;'),
     qr/invalid value "max=0"/, qr/expected max=1 to max=1000000/],
    ['queue: no time', 2, key('queue timeout=never;'),
     qr/expected a time, for example timeout=1s/],
    ['queue: no such parameter', 2, key('queue size=1;'),
     qr/invalid value "size=1"/, qr/expected max=, timeout=, levels=/],
    ['queue: levels', 2, key('queue levels=17;'),
     qr/invalid value "levels=17"/, qr/expected levels=1 to levels=16/],
    ['queue: a default that is no level', 2, key('queue levels=2 default=3;'),
     qr/"queue" of maas_model "m" has a default/, qr/none of its levels/],
    ['queue: no age', 2, key('queue levels=2 age=0;'),
     qr/invalid value "age=0"/, qr/for example age=200ms/],
    ['batch: none', 2, key('batch max=0;'),
     qr/invalid value "max=0"/, qr/expected max=1 to max=1024/],
    ['batch: no max', 2, key('batch delay=2ms;'),
     qr/"batch" of maas_model "m" needs max=/, qr/for example max=16/],
    ['batch: twice the same', 2, key('batch max=8 max=9;'),
     qr/"batch" of maas_model "m"/, qr/duplicate parameter/],
    ['batch: no time', 2, key('batch max=8 delay=x;'),
     qr/invalid value "delay=x"/, qr/for example delay=2ms/],
    ['batch: sizes that descend', 2, key('batch max=8 preferred=4,2;'),
     qr/invalid value "preferred=4,2"/, qr/ascending/],
    ['batch: a size above max', 2, key('batch max=8 preferred=4,16;'),
     qr/"batch" of maas_model "m"/, qr/prefers a size above its max/],
    ['concurrency', 2, key('concurrency 0;'),
     qr/invalid value "0"/, qr/expected "auto" or 1 to 1024/],
    ['numerics', 2, key('numerics slow;'), qr/expected "exact" or "fast"/],
    ['run', 2, key('run away;'), qr/expected "auto", "inline" or "pool"/],
    ['limits: no number', 2, key('limits elements=x;'),
     qr/expected a number, for example elements=64m/],
    ['limits: no plans', 2, key('limits plans=0;'), qr/expected plans=1 to/],
    ['limits: twice', 2, key('limits plans=1 plans=2;'),
     qr/"limits" of maas_model "m" has a duplicate plans/],

    # -- locations

    ['an unknown dialect', 3, location('maas_api kserv;'),
     qr/unknown dialect "kserv" in "maas_api"/,
     qr/known: "kserve", "tfserving"/, qr/did you mean "kserve"\?/],
    ['a dialect twice', 3, location('maas_api kserve kserve;'),
     qr/names one dialect twice/],
    ['two kinds of location', 3, location('maas_api kserve; maas_pass mlp;'),
     qr/"maas_pass" directive is duplicate/,
     qr/a location has one maas_pass or maas_api/],
    ['two kinds, the other way', 3, location('maas_pass mlp; maas_api kserve;'),
     qr/"maas_api" directive is duplicate/,
     qr/a location has one maas_pass or maas_api/],
    ['two models', 4, location("maas_pass mlp;\nmaas_pass mlp;"),
     qr/"maas_pass" directive is duplicate/,
     qr/a location has one maas_pass or maas_api/],
    ['two maas_api', 4, location("maas_api kserve;\nmaas_api tfserving;"),
     qr/"maas_api" directive is duplicate/,
     qr/a location has one maas_pass or maas_api/],
    ['a misspelled model', 3, location('maas_pass mpl;'),
     qr/unknown model "mpl" in "maas_pass"/, qr/known models: "mlp"/,
     qr/did you mean "mlp"\?/],
    ['no model at all', 1, 'server { location / { maas_pass m; } }',
     qr/unknown model "m"/, qr/known models: none/,
     qr/declare it with "maas_model m \{ source PATH; \}"/],
    ['a URL in place of a model', 3, location('maas_pass http://mlp;'),
     qr{invalid model name "http://mlp" in "maas_pass"},
     qr/expected the name of a maas_model, as in "maas_pass digits;"/,
     qr/a URL goes to proxy_pass/],
    ['a variable that is none', 0, location('maas_pass $nope;'),
     qr/unknown "nope" variable/],
    ['models: misspelled', 2, "$mlp_conf\nmaas_models mpl;",
     qr/unknown model "mpl" in "maas_models"/, qr/did you mean "mlp"\?/],

    # -- sources

    ['a model without a source', 1, 'maas_model m { }',
     qr/maas model "m": has no "source"/,
     qr/give the path of its model file or folder/],
    ['a model that the store lacks', 2, "maas_store ../store;\n"
     . 'maas_model b { }', qr/has no "source", and maas_store has no folder/],
    ['a missing file', 1, 'maas_model m { source none.onnx; }',
     qr/model "m": cannot find the model \S+none\.onnx: No such file/,
     qr/relative "source" starts at the folder of the configuration file/],
    ['no file', 1, 'maas_model m { source /dev/null; }',
     qr{/dev/null is neither a file nor a folder}],
    ['a folder without versions', 1, 'maas_model m { source ../empty; }',
     qr/holds neither model\.onnx nor a version/,
     qr/\(a folder 1\/ with model\.onnx\)/],
    ['a model and versions', 1, 'maas_model m { source ../both; }',
     qr/holds both a model \(\S+\) and versions/,
     qr/move it into a folder of its own/],
    ['several models', 1, 'maas_model m { source ../several; }',
     qr/several \.onnx files .* and none is called model\.onnx/,
     qr/name the file to serve/],
    ['half a version', 1, 'maas_model m { source ../half; }',
     qr/version 2 has no \.onnx file/,
     qr/put model\.onnx into \S+half\/2, or remove the folder/],
    ['a version that is not there', 1,
     'maas_model m { source ../store/a; versions 2; }',
     qr/there is no version 2; there are 2, from 1 to 3/],
    ['a version of a single file', 1,
     'maas_model m { source %MODELS%/mlp.onnx; versions 2; }',
     qr/there is no version 2; the only one is 1/],
    ['a label of a version that is not there', 1,
     'maas_model m { source ../store/a; label old=2; }',
     qr/label "old" names version 2, but "\S+" holds 1 3/],

    # -- model files, as make_wrong.py makes them

    ['an empty model', 1, file('empty'), qr/no ONNX model: it is empty/],
    ['half a copy', 1, file('truncated'),
     qr/the file of \d+ bytes is cut off, or damaged; copy it again/,
     qr/byte \d+: a field of \d+ bytes, but \d+ are left/],
    ['text', 1, file('text'), qr/no ONNX model: it is text/],
    ['a web page', 1, file('page'), qr/it is a web page/, qr/download/],
    ['a pointer of Git LFS', 1, file('pointer'), qr/it is a Git LFS pointer/,
     qr/"git lfs pull"/],
    ['a model of PyTorch', 1, file('zip'), qr/it is a zip archive/,
     qr/export it to ONNX \(torch\.onnx\.export/],
    ['a model of Keras', 1, file('hdf5'), qr/it is an HDF5 file/,
     qr/convert it to ONNX/],
    ['a GGUF file', 1, file('gguf'), qr/it is a GGUF file; only ONNX/],
    ['a TensorFlow Lite model', 1, file('tflite'),
     qr/it is a TensorFlow Lite model; convert it/],
    ['graphs in graphs', 1, file('deep'), qr/nested deeper than 64/],
    ['an operator that nobody has', 1, file('operator'),
     qr/node 'flub' \(Flubber, opset 13\): this operator is not served/,
     qr/"maas inspect --ops" lists those that are/],
    ['a misspelled operator', 1, file('misspelled'),
     qr/node 'soft' \(Sofmax, .*not served/, qr/did you mean "Softmax"\?/],
    ['an operator of another domain', 1, file('domain'),
     qr/node 'warp' \(acme\.Warp, opset 1\): this operator is not served/],
    ['an opset to come', 1, file('opset99'),
     qr/opset 99 is not served; opsets 6 to \d+ are/,
     qr/export the model with one of these/],
    ['an opset long gone', 1, file('opset5'),
     qr/\(Relu, opset 5\): this opset is not served; 6 to \d+ are/],
    ['an IR version to come', 1, file('ir99'),
     qr/IR version 99 is not served; 3 to \d+ are/, qr/export the model with/],
    ['a float8 weight', 1, file('float8'),
     qr/initializer 'w': data type 17 is not served \(float8\)/,
     qr/export the model in float16 or float32/],
    ['a float8 input', 1, file('float8_input'),
     qr/'x': data type 17 is not served \(float8\)/, qr/export/],
    ['an undefined tensor', 1, file('undefined'),
     qr/node 'plus' \(Add, .*tensor 'nothing' is made by no node/],
    ['a tensor made twice', 1, file('twice'),
     qr/node 'tanh' .*output 'y': another tensor has this name/],
    ['a cycle', 1, file('cycle'), qr/the graph has a cycle: node 'one'/],
    ['no outputs', 1, file('nooutput'), qr/the model has no outputs/,
     qr/export it with the tensors that clients want/],
    ['an output that nobody makes', 1, file('absent'),
     qr/output 'z': tensor 'z' is made by no node/],
    ['shapes that do not fit', 1, file('shapes'),
     qr/node 'product' \(MatMul\): inner dimension of A and B: 2 and 3 differ/],
    ['types that do not fit', 1, file('types'),
     qr/inputs 0 and 1 have to be of one type/, qr/are float32 and int64/],
    ['an unknown attribute', 1, file('attribute'),
     qr/attribute 'axes' is not known; known: axis/, qr/mean "axis"\?/],
    ['an axis that is not there', 1, file('axis'),
     qr/node 'soft' \(Softmax\): axis 7 is out of range \[-2, 1\]/],
    ['a weight of a strange size', 1, file('bytes'),
     qr/initializer 'w': 7 bytes of raw_data are no whole number of float32/],
    ['a weight that was not copied', 1, file('outside'),
     qr/initializer 'w': file 'weights\.bin' cannot be read: No such file/,
     qr/in folder \S+wrong/],
    ['a weight outside of the folder', 1, file('climbs'),
     qr/'\.\.\/weights\.bin': a path with '\.\.' is refused/,
     qr/it has to lie in the model's folder/],

    # -- model.json and labels.txt

    ['json: cut off', 1, beside('{'),
     qr/model\.json: line 1, column 1: string or '\}' expected/],
    ['json: a list', 1, beside('[]'), qr/model\.json must be an object/],
    ['json: a misspelled key', 1, beside('{"inputs": {}}'),
     qr/unknown key "inputs"/, qr/known are: description, input/,
     qr/did you mean "input"\?/],
    ['json: a misspelled key within', 1, beside('{"input":{"imge":{}}}'),
     qr/input has an unknown key "imge"/, qr/did you mean "image"\?/],
    ['json: a key twice', 1, beside('{"description":"a","description":"b"}'),
     qr/duplicate object key near '"description"'/],
    ['json: text for a number', 1, beside('{"output":{"top_k":"3"}}'),
     qr/output\.top_k must be an integer from 0 to/],
    ['json: no such meaning', 1, beside('{"output":{"meaning":"class"}}'),
     qr/output\.meaning must be one of: raw, classes/],
    ['json: no such output', 1, beside('{"output":{"name":"z"}}'),
     qr/the model has no output "z"; it has: "y"/],
    ['json: no such input', 1, beside('{"input":{"name":"X"}}'),
     qr/the model has no input "X"; it has: "x"/],
    ['json: softmax of no classes', 1, beside('{"output":{"softmax":true}}'),
     qr/output\.softmax goes with "meaning": "classes" or "ctc" only/],
    ['json: a std of 0', 1, beside('{"input":{"image":{"std":0}}}'),
     qr/input\.image\.std must hold nonzero numbers/],
    ['json: an image for no image model', 1,
     beside('{"input":{"image":{"width":8}}}'),
     qr/input\.image makes \[\?,3,\?,8\] of an image/,
     qr/input "x" takes \[\?,2\]/, qr/change width, height, color or layout/],
    ['json: axis', 1, beside('{"batch":{"axis":9}}'),
     qr/batch\.axis must be an integer from -1 to 7/],
    ['labels: more than classes', 1, beside(undef, "a\nb\nc\n"),
     qr/labels\.txt has 3 lines, but output "y" has 1 classes/,
     qr/it belongs to another model, or "output" in model\.json/],
    ['labels: none for text', 1, beside('{"output":{"meaning":"ctc"}}'),
     qr/"ctc" needs a labels\.txt with the text of each class/],
    ['labels: not UTF-8', 1, beside(undef, "caf\xe9\n"),
     qr/labels\.txt: line 1 is not UTF-8; save the file as UTF-8/],
);

for my $row (@rows) {
    my ($what, $line, $text, @parts) = @$row;

    unlink glob "$prefix/images/*";
    $t->conf("$text\n");

    my ($code, $out) = $t->check;
    my ($said) = $out =~ /\[emerg\] (.*)/;
    $line = $line ? $t->line($line) : qr/\d+/;

    note($said // 'nothing');
    ok($code == 1 && defined $said && !grep({ $said !~ $_ } @parts),
       "$what: refused, and why") or diag($out);
    like($out, qr/nginx\.conf:$line\b/, "$what: where")
        if $said !~ /unknown "nope" variable/;
}

cmp_ok(scalar @rows, '>=', 100, scalar(@rows) . ' rows');


# -- rights, which root alone can take away

SKIP: {
    skip 'not root', 5 if $> != 0;

    $t->{user} = 'www-data';
    chmod 0755, $prefix;

    my $file = "$prefix/secret.onnx";
    write_file($file, $mlp);
    chmod 0600, $file;
    $t->conf("maas_model m { source $file; }\n");

    my ($code, $out) = $t->check;
    is($code, 1, 'a file that the user of the workers cannot read');
    like($out, qr/user "www-data" cannot read "\Q$file\E"/, 'who and what');
    like($out, qr/mend it with "chgrp -R www-data \Q$file\E && chmod/,
         'and how to mend it');

    # a folder that was closed to the user after it had been given away
    chmod 0644, $file;
    mkdir "$prefix/closed";
    my $uid = getpwnam 'www-data';
    chown $uid, -1, "$prefix/closed";
    chmod 0500, "$prefix/closed";
    $t->conf("maas_images $prefix/closed;\nmaas_model m { source $file; }\n");

    ($code, $out) = $t->check;
    is($code, 1, 'a folder of images that cannot be written');
    like($out, qr/cannot create an image in \S+closed: Permission denied; the /,
         'is said to be so');
}

$t->{judged} = 1;
done_testing();
