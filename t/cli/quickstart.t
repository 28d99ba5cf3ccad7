#!/usr/bin/perl
# What `make run` does once everything is built: start, sample, stop.

use strict;
use warnings;

use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

plan skip_all => 'not with a sanitizer' if $ENV{MAAS_PRELOAD};

symlink "$build/$_", "$tmp/$_" for qw(maas ngx_http_maas_module.so);
# bound, and so free for nginx alone
my $free = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp',
                                 ReuseAddr => 1) or die "no port: $!";
my $port = $free->sockport;

my $r = run("$root/tools/run.sh", 'start', $tmp, $port);
is($r->{status}, 0, 'started') or diag $r->{out}, $r->{err};
like($r->{out}, qr/^\$ curl .*sample\.png.*\/digits$/m, 'shows the request');
like($r->{out}, qr/"label":"7"/, 'and the answer: a 7');
my @next = $r->{out} =~ /^    (.*)$/mg;
is(scalar @next, 3, 'three commands to try');
is(slurp("$tmp/run/logs/error.log"), '', 'a silent error log');

chdir $root;
for my $c (@next) {
    my $x = run('sh', '-c', $c =~ s/^curl /curl -sS --fail /r);
    is($x->{status}, 0, $c) or diag $x->{err};
    isnt($x->{out}, '', 'answers');
}

my $again = run("$root/tools/run.sh", 'start', $tmp, $port);
is($again->{status}, 0, 'a second start replaces the first');

my $pid = slurp("$tmp/run/nginx.pid") + 0;
$r = run("$root/tools/run.sh", 'stop', $tmp);
is($r->{status}, 0, 'stopped');
ok(!kill(0, $pid), 'the master is gone');
is(run("$root/tools/run.sh", 'stop', $tmp)->{status}, 0, 'stop twice');

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
$port = $taken->sockport;
$r = run("$root/tools/run.sh", 'start', $tmp, $port);
is($r->{status}, 1, 'a taken port: exit 1');
like($r->{err}, qr/port $port is taken; try: make run PORT=/, 'is said');

$r = run("$root/tools/run.sh", 'start', $tmp, 'http');
is($r->{status}, 1, 'no number: exit 1');

# What is missing, for users who may not install it: with sudo and without.

mkdir "$tmp/bin";
for my $f ([id => 'echo 1000'], ['dpkg-query' => 'exit 1'],
           ['apt-get' => 'exit 1'])
{
    spew("$tmp/bin/$f->[0]", "#!/bin/sh\n$f->[1]\n");
    chmod 0755, "$tmp/bin/$f->[0]";
}
symlink $_, "$tmp/bin/" . s{.*/}{}r for '/bin/sh', '/bin/cat', '/bin/grep';

for my $sudo (0, 1) {
    spew("$tmp/bin/sudo", "#!/bin/sh\n"), chmod 0755, "$tmp/bin/sudo"
        if $sudo;
    local $ENV{PATH} = "$tmp/bin";
    $r = run('/bin/sh', nosbin());
    is($r->{status}, 1, $sudo ? 'no rights, sudo' : 'no rights, no sudo');
    like($r->{err}, $sudo ? qr/^    sudo apt-get install .*libc6-dev/m
                          : qr/there is no sudo here.*^    apt-get install /ms,
         'says what to do');
}

# A space in the path.

mkdir "$tmp/a b";
symlink "$root/Makefile", "$tmp/a b/Makefile";
$r = run('make', '-C', "$tmp/a b", 'all');
is($r->{status}, 2, 'a folder with a space');
like($r->{err}, qr/folder with a space in its path: ".*a b"/, 'is refused');

done_testing;


# The script without the folders of /usr/sbin, where a real sudo may be.

sub nosbin {
    return spew("$tmp/deps.sh", "set -- run\n"
                . slurp("$root/tools/deps.sh") =~ s{^PATH=.*\n}{}mr);
}
