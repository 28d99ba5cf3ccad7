# Never loses: reloads, graceful ends, killed workers, refused and changed
# configurations, a start without a model.

use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $http = <<'EOC';
    maas_threads 2;

    maas_model slow { source %MODELS%/slow.onnx; }
    maas_model file { source %PREFIX%/file.onnx; }
    maas_model alias { source %PREFIX%/file.onnx; }     # shares its image

    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
    }
EOC

my $t = MaasTest->new(workers => 2, debug => 1);
my $models = $t->fill('%MODELS%');
my $file = "$t->{prefix}/file.onnx";

my $replace = sub {
    my ($from) = @_;
    copy("$models/$from", "$file.new") or die $!;
    rename "$file.new", $file;
};

$replace->('mlp.onnx');
$t->conf($http);
$t->start;

my $slow = '/v2/models/slow/infer';
my $two = infer([1, 2], 0.5, -0.5);
my ($r, $s, @s, $pid, $ok);

my $fds = sub {
    return scalar grep { (readlink $_ // q()) =~ m{/images/} }
                  glob('/proc/' . $t->master . '/fd/*');
};

my $serve = sub {
    return $t->post('/v2/models/file/infer', $two);
};

is($serve->()->{status}, 200, 'the first model');
is($t->post('/v2/models/alias/infer', $two)->{status}, 200,
   'under a second name');
is($fds->(), 2, 'the master holds two images');

# reload with a job in flight

$s = $t->hold($slow, 512);
ok($t->reload, 'a reload');
is($serve->()->{status}, 200, 'new workers serve');
is($t->answer($s)->{status}, 200, 'the job of an old worker is answered');
is($fds->(), 2, 'the master holds two images still');

# nothing is lost under load

$pid = fork // die;

if ($pid == 0) {
    my $bad = 0;
    my $end = time + 3;
    while (time < $end) {
        $bad++ if $serve->()->{status} != 200;
    }
    require POSIX;
    POSIX::_exit($bad ? 1 : 0);
}

for (1 .. 3) {
    sleep 0.3;
    $t->reload;
}

waitpid $pid, 0;
is($?, 0, 'no request fails during three reloads');

# the file is replaced

my $before = $serve->()->{body};
$replace->('echo.onnx');
is($serve->()->{body}, $before, 'a new file alone changes nothing');
ok($t->reload, 'reload');
isnt(wait_for(20, sub {
    my $body = $serve->()->{body};
    return $body ne $before && $body }) // $before, $before,
    'after a reload it is served') unless -s "$models/mlp.onnx" < 100;

# a refused reload

write_file($file, 'this is no model');
my $size = -s "$t->{prefix}/logs/error.log";
my @workers = sort $t->workers;
kill 'HUP', $t->master;
ok($t->wait_log(qr/\[emerg\].*model "file" version 1: .* in \S+:\d+/, 20),
   'a bad model refuses the reload');
$t->expect_log(qr/model "(file|alias)" version 1: /);
sleep 0.2;
is(join(' ', sort $t->workers), "@workers", 'the old workers stay');
is($serve->()->{status}, 200, 'and serve');
my ($code, $out) = $t->check;
isnt($code, 0, 'nginx -t refuses too');
like($out, qr/\[emerg\].*model "file"/, 'and names the model');
is($fds->(), 2, 'no descriptor is left over');

# a worker is killed, its images unlinked

unlink glob "$t->{prefix}/images/*";
kill 'KILL', $t->workers;
$t->expect_log(qr/exited on signal 9/);
ok(wait_for(20, sub {
    my %now = map { $_ => 1 } $t->workers;
    return keys %now == 2 && !grep { $now{$_} } @workers }),
   'killed workers come again');
is(scalar(grep { $serve->()->{status} == 200 } 1 .. 8), 8,
   'and map the images that the master holds');

# graceful end

$replace->('mlp.onnx');
$s = $t->hold($slow, 512);
kill 'QUIT', $t->master;
is($t->answer($s)->{status}, 200, 'a graceful end waits for the job');
ok(wait_for(20, sub { !-e '/proc/' . ($t->master // 0) || !$t->master }),
   'and is over then');
$t->{started} = 0;

# TERM

my $stops = sub {
    my ($server) = @_;
    my $start = time;
    $server->stop('TERM');
    return time - $start;
};

cmp_ok(least(3, sub { $t->start; $s = $t->hold($slow); $stops->($t) }), '<', 3,
       'TERM does not wait for a job');
is($t->answer($s)->{status}, 0, 'its request is dropped');
ok(!$t->{hung}, 'the server ended by itself');

# TERM while a model that takes seconds is tried for the first time

my $warm = MaasTest->new(http => <<'EOC');
    maas_threads 1;
    maas_model heavy { source %MODELS%/heavy.onnx; }
    server {
        listen 127.0.0.1:%PORT%;
        location /heavy { maas_pass heavy; }
    }
EOC

cmp_ok(least(4, sub { $warm->start; $stops->($warm) }), '<', 4,
       'TERM does not wait for the first run');

# a start without one of the models

write_file($file, 'this is no model');
$t->{may_fail} = 1;
ok(!$t->start, 'a cold start is refused');

$t->conf("    maas_startup degraded;\n$http");
ok($t->start, 'maas_startup degraded: it starts');
is($t->post($slow, rows(1))->{status}, 200, 'the good model serves');
$r = $serve->();
is($r->{status}, 503, 'the bad one is unavailable');
like($t->log, qr/\[error\].*model "file" version 1: /, 'the log says why');
($code, $out) = $t->check;
isnt($code, 0, 'nginx -t is strict all the same');

# worker_shutdown_timeout

my $t2 = MaasTest->new(main => "worker_shutdown_timeout 1s;\n", debug => 1,
                       http => <<'EOC');
    maas_threads 2;
    maas_model slow { source %MODELS%/slow.onnx; }
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
    }
EOC

$t2->start;
cmp_ok(least(4, sub {
    my ($worker) = $t2->workers;
    $s = $t2->hold($slow, 16384);
    my $start = time;
    ok($t2->reload, 'a reload with worker_shutdown_timeout');
    ok(wait_for(20, sub { !-e "/proc/$worker" }), 'the old worker ends');
    time - $start;
}), '<', 4, 'after that time');
is($t2->answer($s)->{status}, 0, 'without its job');
ok($t2->wait_log(qr/cancelled|exiting/), 'which was cancelled');

# Workers warm up their models when they start: a request of that time waits
# for one of these steps, not for those of all models.

my $many = join "\n", map { "maas_model m$_ { source %MODELS%/slow.onnx; "
                            . 'batch max=2; }' } 1 .. 300;
my $t3 = MaasTest->new(http => <<"EOC");
    maas_threads 1;
    maas_model mlp { source %MODELS%/mlp.onnx; run pool; }
    $many
    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; }
    }
EOC

my @status;
my $asked = sub {
    my $start = time;
    push @status, $t3->post('/v2/models/mlp/infer', $two)->{status};
    return time - $start;
};

cmp_ok(least(3, sub { $t3->stop; $t3->start; $asked->() }), '<', 3,
       'a request while 300 models warm up is not behind them');
cmp_ok(least(3, sub { $t3->reload; $asked->() }), '<', 3,
       'nor is one to the new worker, after a reload meanwhile');
is(join(' ', grep { $_ != 200 } @status), '', 'they are answered');
cmp_ok(least(5, sub {
    $t3->{started} ? $t3->reload : $t3->start;
    $stops->($t3);
}), '<', 5, 'TERM does not wait for them');

done($t, $t2, $t3, $warm);
