# maas_etag: tags, conditional answers without a run, and the filters that
# look at a tag.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    maas_etag on;
    gzip_types application/json;
    gzip_min_length 1;
    gzip_http_version 1.0;

    log_format maas '$uri $status $maas_status $maas_compute_time';

    server {
        listen 127.0.0.1:%PORT%;
        access_log logs/maas.log maas;
        location = /mlp    { maas_pass mlp; }
        location = /two    { maas_pass two; maas_version $arg_v; }
        location = /gzip   { maas_pass mlp; gzip on; }
        location = /off    { maas_pass mlp; maas_etag off; }
        location = /slow   { maas_pass slow; }
        location /v2       { maas_api kserve; }
        location /v1       { maas_api tfserving; }
    }

    maas_store %PREFIX%/store;
    maas_model mlp  { source %MODELS%/mlp.onnx; }
    maas_model slow { source %MODELS%/slow.onnx; }
    maas_model two  { versions all; }
EOC

my $store = "$t->{prefix}/store";
my $models = $t->fill('%MODELS%');

mkdir $_ for $store, map { "$store/$_" } qw(two two/1 two/2);
write_file("$store/two/$_/model.onnx", read_file("$models/mlp.onnx")) for 1, 2;

$t->start;

my @json = ('Content-Type' => 'application/json');


sub tag {
    my ($uri, $body, @h) = @_;

    return $t->post($uri, $body, @json, @h)->{headers}{etag} // '';
}


my $r = $t->post('/mlp', '[[1,2]]', @json);
my $tag = $r->{headers}{etag} // '';
like($tag, qr/^"[0-9a-f]{32}"$/, 'a strong tag');
is($r->{headers}{vary}, 'Accept', 'Vary');
is(tag('/mlp', '[[1,2]]'), $tag, 'the same for the same');
isnt(tag('/mlp', '[[1,3]]'), $tag, 'another for another body');
isnt(tag('/mlp?encoding=base64', '[[1,2]]'), $tag, 'for an argument');
is(tag('/mlp?x=y', '[[1,2]]'), $tag, 'not for an argument without meaning');
isnt(tag('/mlp', '[[1,2]]', Accept => 'text/csv'), $tag, 'for another type');
isnt(tag('/two?v=1', '[[1,2]]'), tag('/two?v=2', '[[1,2]]'),
     'for another version');
is(tag('/off', '[[1,2]]'), '', 'none with maas_etag off');
is(tag('/mlp', '[[1,'), '', 'none on an error');

$r = $t->post('/mlp', '[[1,2]]', @json, 'If-None-Match' => $tag);
is($r->{status}, 304, 'not modified');
is($r->{body}, '', 'without a body');
is($r->{headers}{etag}, $tag, 'with the tag');
ok(!exists $r->{headers}{$_}, "without $_")
    for qw(content-type content-length);

$r = $t->post('/mlp', '[[1,2]]', @json,
              'If-None-Match' => qq("a", W/$tag, "b"));
is($r->{status}, 304, 'in a list, weak');
is($t->post('/mlp', '[[1,3]]', @json, 'If-None-Match' => $tag)->{status}, 200,
   'another body is computed');
is($t->post('/mlp', '[[1,2]]', @json, 'If-Match' => $tag)->{status}, 200,
   'If-Match');
is($t->post('/mlp', '[[1,2]]', @json, 'If-Match' => '"x"')->{status}, 412,
   'that does not');
ok(wait_for(20, sub { read_file("$t->{prefix}/logs/maas.log")
                     =~ m{^/mlp 412 ok [\d.]+$}m }),
   'which the log says, with what the model did');

# where there is no tag there is no condition

for my $h (['If-None-Match', $tag], ['If-None-Match', '*'],
           ['If-Match', '"x"'],
           ['If-Unmodified-Since', 'Sun, 22 Nov 2020 12:53:35 GMT'])
{
    is($t->post('/off', '[[1,2]]', @json, @$h)->{status}, 200,
       "maas_etag off: no $h->[0]: $h->[1]");
}

# gzip makes it weak, and the weak one is known again

$r = $t->post('/gzip', '[[1,2]]', @json, 'Accept-Encoding' => 'gzip');
is($r->{headers}{etag}, "W/$tag", 'compressed: weak');
is($t->post('/gzip', '[[1,2]]', @json, 'Accept-Encoding' => 'gzip',
            'If-None-Match' => $r->{headers}{etag})->{status}, 304,
   'and known');

# a connection goes on behind a 304

my $s = $t->send('POST', '/mlp', '[[1,2]]', @json, Connection => 'keep-alive',
                 'If-None-Match' => $tag);
is($t->answer($s, head => 1)->{status}, 304, 'on a kept connection');
print $s $t->request('POST', '/mlp', '[[1,2]]', @json);
is($t->answer($s)->{status}, 200, 'the next request is answered');

# a model that takes its time does not run

my $rows = '[' . join(',', ('[0.25]') x 400) . ']';
$tag = tag('/slow', $rows);
$r = $t->post('/slow', $rows, @json, 'If-None-Match' => $tag);
is($r->{status}, 304, 'a slow model');
wait_for(20, sub { read_file("$t->{prefix}/logs/maas.log") =~ m{/slow 304} });
like(read_file("$t->{prefix}/logs/maas.log"), qr{^/slow 304 ok -$}m,
     'does not run');

# a large body is digested by the team

my $big = '[' . join(',', ('[0.5,1]') x 20_000) . ']';
$tag = tag('/mlp', $big);
is($t->post('/mlp', $big, @json, 'If-None-Match' => $tag)->{status}, 304,
   'a large body');

# the other dialects

for my $case (['/v2/models/mlp/infer', infer([1, 2], 1, 2)],
              ['/v1/models/mlp:predict', '{"instances":[[1,2]]}'])
{
    my ($uri, $body) = @$case;
    my $tag = tag($uri, $body);
    like($tag, qr/^"/, "$uri has a tag");
    is($t->post($uri, $body, @json, 'If-None-Match' => $tag)->{status}, 304,
       'and conditional answers');
}

is($t->get('/mlp', 'If-None-Match' => $tag)->{status}, 200,
   'a description has none');

done($t);
