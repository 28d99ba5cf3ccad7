# maas_pass: forms, arrays of NumPy, CSV, base64, images in JSON, and what
# Accept leads to, with curl and numpy as the clients.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasTest;
use MIME::Base64;
use Test::More;

my $root = "$FindBin::Bin/../..";
my $t = MaasTest->new(http => <<"EOC");
    client_max_body_size 8m;
    client_body_buffer_size 16k;

    server {
        listen 127.0.0.1:%PORT%;
        location = /digits { maas_pass digits; }
        location = /mlp    { maas_pass mlp; }
        location = /echo   { maas_pass echo; }
        location = /table  { maas_pass table; }
        location = /pair   { maas_pass pair; }
        location /v1       { maas_api tfserving; }
    }

    maas_model digits { source $root/conf/models/digits; }
    maas_model mlp    { source %MODELS%/mlp.onnx; }
    maas_model echo   { source %MODELS%/echo.onnx; limits elements=100000; }
    maas_model table  { source %PREFIX%/table; }
    maas_model pair   { source %PREFIX%/pair; }
EOC

my $p = $t->{prefix};
my $sample = "$root/conf/models/digits/sample.png";

# A linear model with named columns, and one with an image, a number and two
# outputs.

mkdir "$p/$_" for qw(table pair);
write_file("$p/make.py", <<'EOF');
import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper, save

def model(name, nodes, i, o, w=()):
    g = h.make_graph(nodes, name, i, o, list(w))
    m = h.make_model(g, opset_imports=[h.make_opsetid("", 13)])
    m.ir_version = 7
    save(m, name + "/model.onnx")

def port(name, *dims):
    return h.make_tensor_value_info(name, T.FLOAT, dims)

rng = np.random.default_rng(3)
w = rng.standard_normal((3, 2)).astype(np.float32)
np.save("w.npy", w)
np.save("x.npy", rng.standard_normal((500, 3)))
model("table", [h.make_node("MatMul", ["x", "w"], ["y"])],
      [port("x", "N", 3)], [port("y", "N", 2)],
      [numpy_helper.from_array(w, "w")])
model("pair", [h.make_node("Mul", ["image", "k"], ["scaled"]),
               h.make_node("ReduceMean", ["scaled"], ["mean"],
                           axes=[1, 2, 3], keepdims=0)],
      [port("image", "N", 3, 4, 4), port("k", 1)],
      [port("scaled", "N", 3, 4, 4), port("mean", "N")])
EOF
write_file("$p/table/model.json",
           '{"input": {"features": ["long", "wide", "a,b"]}}');
write_file("$p/pair/model.json", '{"input": {"name": "image", "image": '
           . '{"width": 4, "height": 4, "scale": 0.00392156862745098}}}');
my $out = `cd $p && /usr/bin/python3 make.py 2>&1`;
is($?, 0, 'models') or diag($out);

$t->start;
$ENV{URL} = "http://127.0.0.1:$t->{port}";


# status, body, type; what curl is given comes from a shell

sub curl {
    my ($args) = @_;

    my $out = `cd $p && curl -s -m 20 -w '\\n%{http_code} %{content_type}' $args`;
    my ($body, $status, $type) = $out =~ /\A(.*)\n(\d+) (.*?)\z/s;

    return ($status, $body, $type);
}


# a script with numpy; true when it says so

sub numpy {
    my ($name, $code) = @_;

    write_file("$p/check.py", <<"EOF");
import base64, io, json, os, subprocess, zipfile
import numpy as np

def curl(args, *accept):
    url = os.environ["URL"]
    return subprocess.check_output(
        ["curl", "-s", "-m", "20"] + [a for h in accept for a in ("-H", h)]
        + [a.replace("\$URL", url) for a in args])

x, w = np.load("x.npy"), np.load("w.npy")
$code
print("good")
EOF
    my $out = `cd $p && /usr/bin/python3 check.py 2>&1`;
    is($out, "good\n", $name);
}


my ($status, $body, $type, $r);
my $url = '"$URL"';

# forms

($status, $body) = curl("-F image=\@$sample $url/digits");
is($status, 200, 'an image in a form') or diag($body);
my $one = decode_json($body)->{classes};
is($one->[0]{label}, '7', 'is read');
is(scalar @$one, 3, 'top_k of model.json');

($status, $body) = curl("-F image=\@$sample -F 'other=\@$sample;type=image/png' "
                        . "-F image=\@$sample $url'/digits?top=1'");
is_deeply(decode_json($body)->{results},
          [ ({ classes => [ $one->[0] ] }) x 3 ],
          'three images, one class each') or diag($body);

($status, $body) = curl("-F k=2 -F image=\@$sample $url/pair");
is($status, 200, 'an image and a number') or diag($body);
my $pair = decode_json($body)->{outputs};
($status, $body) = curl("-F 'k=[1]' -F image=\@$sample $url/pair");
is($pair->{scaled}[0][2][3][3],
   2 * decode_json($body)->{outputs}{scaled}[0][2][3][3],
   'the number counts') or diag($body);

($status, $body) = curl("-F k=x -F image=\@$sample $url/pair");
is($status, 400, 'a number that is none');
like($body, qr/input \\"k\\": JSON, byte 0/, 'and where');
($status, $body) = curl("-F image=\@$sample $url/pair");
like($body, qr/missing input \\"k\\"/, 'without the number');
($status, $body) = curl("-F k=\@$sample $url/pair");
is($status, 415, 'an image for the number');

# images in JSON, of the other dialect too

my $b64 = encode_base64(read_file($sample), '');
$r = $t->post('/digits', qq([{"b64":"$b64"},{"b64":"$b64"}]));
is_deeply(decode_json($r->{body})->{results}, [ ({ classes => $one }) x 2 ],
          'a list of images in JSON') or diag($r->{body});
$r = $t->post('/v1/models/digits:predict',
              qq({"instances":[{"image":{"b64":"$b64"}},{"image":{"b64":"$b64"}}]}));
is(scalar @{ decode_json($r->{body})->{predictions} || [] }, 2,
   'tfserving takes them as well') or diag($r->{body});
$r = $t->post('/digits', qq([{"b64":"$b64"},{"b64":"!"}]));
is($r->{status}, 400, 'not base64');

# a picture of too many pixels

write_file("$p/bomb.py", <<'EOF');
import struct, zlib
def chunk(n, d):
    return (struct.pack(">I", len(d)) + n + d
            + struct.pack(">I", zlib.crc32(n + d)))
w = 9000
z = zlib.compressobj(9)
d = b"".join(z.compress(bytes(w + 1)) for i in range(w)) + z.flush()
open("bomb.png", "wb").write(b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", w, w, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", d) + chunk(b"IEND", b""))
EOF
system("cd $p && /usr/bin/python3 bomb.py");
($status, $body) = curl("-F image=\@bomb.png $url/digits");
is($status, 413, 'too many pixels') or diag($body);
like($body, qr/9000x9000; at most/, 'in words');

# NumPy

numpy('npy in, npy out, from float64 in either order', <<'EOF');
np.save("f.npy", np.asfortranarray(x))
for name in ("x", "f"):
    y = np.load(io.BytesIO(curl(
        ["--data-binary", f"@{name}.npy", "$URL/table"],
        "Content-Type: application/x-npy", "Accept: application/x-npy")))
    assert y.dtype == np.float32 and y.shape == (500, 2), (y.dtype, y.shape)
    assert np.abs(y - x.astype(np.float32) @ w).max() < 1e-5
EOF

numpy('npz of two outputs', <<"EOF");
np.save("k.npy", np.array([0.5]))
out = curl(["-F", "k=\@k.npy", "-F", "image=\@$sample",
            "-F", "image=\@$sample", "\$URL/pair"],
           "Accept: application/x-npz")
z = np.load(io.BytesIO(out))
assert z.files == ["scaled", "mean"], z.files
assert z["scaled"].shape == (2, 3, 4, 4)
assert np.abs(z["scaled"].mean((1, 2, 3)) - z["mean"]).max() < 1e-6
assert zipfile.ZipFile(io.BytesIO(out)).testzip() is None
EOF

numpy('base64', <<'EOF');
out = curl(["--data-binary", "@x.npy", "$URL/table?encoding=base64"],
           "Content-Type: application/x-npy")
y = json.loads(out)["outputs"]["y"]
a = np.frombuffer(base64.b64decode(y["b64"]), y["type"]).reshape(y["shape"])
assert np.abs(a - x.astype(np.float32) @ w).max() < 1e-5
EOF

# CSV

numpy('CSV as numpy.savetxt writes it', <<'EOF');
np.savetxt("plain.csv", x, delimiter=",")
np.savetxt("swapped.csv", x[:, [2, 0, 1]], delimiter=",", comments="",
           header='"a,b",long,wide')
for name in ("plain", "swapped"):
    out = curl(["--data-binary", f"@{name}.csv", "$URL/table"],
               "Content-Type: text/csv", "Accept: text/csv")
    assert out.startswith(b"y.0,y.1\n"), out[:200]
    y = np.loadtxt(io.BytesIO(out), delimiter=",", skiprows=1)
    assert np.abs(y - x @ w).max() < 1e-5
EOF

my $json = "-H 'Content-Type: application/json'";
($status, $body) = curl("-d '[[1e39,-1e39]]' $json $url/echo");
is($status, 400, 'beyond the range');
($status, $body, $type) = curl("-d '[[NaN,-Infinity]]' $json "
                               . "-H 'Accept: text/csv;header=absent' $url/echo");
is($body, "NaN,-Infinity\n", 'NaN and infinity in CSV');
is($type, 'text/csv; charset=utf-8; header=absent', 'its type');
($status, $body) = curl("-d '[[NaN,-Infinity]]' $json $url/echo");
like($body, qr/\[\[null,null\]\]/, 'and in JSON');

($status, $body) = curl("-F file=\@swapped.csv -H 'Accept: text/csv' $url/table");
is(scalar(split /\n/, $body), 501, 'a table as a file of a form')
    or diag($body);

my $csv = join '', map { "$_," . (2 * $_) . "\n" } 1 .. 40_000;
my @csv = ('Content-Type' => 'text/csv', Accept => 'text/csv; header=absent');
$r = $t->post('/echo', $csv, @csv);
is($r->{status}, 200, '40,000 rows') or diag(substr $r->{body}, 0, 300);
like($r->{body}, qr/\A1\.0,2\.0\n.*\n40000\.0,80000\.0\n\z/s, 'come back');
$r = $t->post('/echo', $csv . $csv, @csv);
is($r->{status}, 413, '80,000 are above "limits elements="');
$r = $t->post('/table', "long,wide,high\n1,2,3\n", @csv);
is($r->{status}, 400, 'an unknown column');
like($r->{body}, qr/unknown column \\"high\\"; this model takes \\"long\\", \\"wide\\", \\"a,b\\"/,
     'and the known ones');

# types

$r = $t->get('/table');
is_deeply(decode_json($r->{body})->{inputs}[0]{features},
          ['long', 'wide', 'a,b'], 'GET shows the columns');
$r = $t->post('/mlp', '[[1,2]]', Accept => 'image/*, text/html;q=0.5');
is($r->{status}, 406, 'Accept');
like($r->{body}, qr{answers with: application/json, application/octet-stream, application/x-npy, application/x-npz, text/csv"},
     'with a list');
$r = $t->post('/mlp', 'x', 'Content-Type' => 'video/mp4');
is($r->{status}, 415, 'Content-Type');
like($r->{body}, qr{takes application/json, application/octet-stream, application/x-npy, text/csv, multipart/form-data"},
     'with a list');
$r = $t->post('/mlp?top=2', '[[1,2]]');
is($r->{status}, 400, 'an argument that has no meaning here');

# what is wrong without the body is said before it

for my $case (['/mlp?encoding=x', 400], ['/mlp', 406, Accept => 'a/b'],
              ['/mlp', 415, 'Content-Type' => 'a/b'])
{
    my ($uri, $want, @h) = @$case;
    my $s = $t->send('POST', $uri, undef, 'Content-Length' => 1000,
                     Expect => '100-continue', @h);
    is($t->answer($s, see100 => 1)->{status}, $want,
       "$want in place of 100 Continue");
}

done($t);
