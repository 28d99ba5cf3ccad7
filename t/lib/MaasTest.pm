package MaasTest;

# A small harness for tests of the module in a running nginx: a temporary
# prefix, free ports, a configuration made from a template, a raw HTTP/1.1
# client, and a look at the error log at the end.  Core Perl only.
#
#     my $t = MaasTest->new(http => $text, workers => 2, debug => 1);
#     $t->start;
#     is($t->get('/x')->{status}, 200);
#     done($t);
#
# In the text %PORT%, %PORT2%, %MODELS% and %PREFIX% are replaced.  A line
# of the log with alert, crit, emerg or a sanitizer's report fails the test
# unless it was declared by $t->expect_log(qr/.../).  The module and the maas
# command come from $MAAS_BUILD, models from its folder test-models.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(done read_file write_file infer rows wait_for least have);

my $root = abs_path(dirname(__FILE__) . '/../..');
our $build = abs_path($ENV{MAAS_BUILD} || "$root/build");
my (@live, @ports);

# Files are made for servers of another user; a locale may not be installed.
umask 022;
$ENV{LC_ALL} = 'C.UTF-8';
$SIG{PIPE} = 'IGNORE';
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);


# -- files and models --------------------------------------------------------

sub read_file {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar <$fh> // '';
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh $text;
    close $fh or die "$path: $!";
}


sub have {
    my ($program) = @_;

    return grep { -x "$_/$program" } split /:/, $ENV{PATH};
}


# The models are made once; other tests wait for them.

sub models {
    my $dir = "$build/test-models";
    my $script = "$root/t/data/make_models.py";
    my $made = sub { ((stat "$dir/.made")[9] // 0) >= (stat $script)[9] };

    return $dir if $made->();

    mkdir $dir;
    open my $lock, '>', "$dir/.lock" or die "$dir: $!";
    flock $lock, LOCK_EX;

    if (!$made->()) {
        my $out = `/usr/bin/python3 $script $dir 2>&1`;
        die "make_models.py failed: $out" if $?;
        write_file("$dir/.made", '');
    }

    return $dir;
}


# Open Inference Protocol requests: infer([1, 2], 0.5, -0.5); rows(64) for
# the model "slow", which takes 0.126 GFLOP a row.

sub infer {
    my ($shape, @data) = @_;

    return '{"inputs":[{"name":"x","shape":[' . join(',', @$shape)
           . '],"datatype":"FP32","data":[' . join(',', @data) . ']}]}';
}


sub rows {
    my ($n) = @_;

    return infer([$n, 1], (0.25) x $n);
}


sub wait_for {
    my ($seconds, $code) = @_;

    my $end = time + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;
        return if time > $end;
        sleep 0.01;
    }
}


# The least of up to five times, soon when it is below the limit: a machine
# that is busy with other things for a moment says nothing of what is timed.

sub least {
    my ($limit, $code) = @_;

    my $least;

    for (1 .. 5) {
        my $time = $code->() // next;
        $least = $time if !defined $least || $time < $least;
        last if $least < $limit;
    }

    return $least // 1e9;
}


# -- life of a server --------------------------------------------------------

# A port that stays taken: bound and not listening, which keeps it from
# everyone but a server, whose sockets have SO_REUSEADDR too.

sub free_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp',
                                  ReuseAddr => 1) or die "no port: $!";
    push @ports, $s;
    return $s->sockport;
}


sub new {
    my ($class, %opt) = @_;

    for my $file ('ngx_http_maas_module.so', 'maas') {
        BAIL_OUT("$build/$file is missing: run make") if !-e "$build/$file";
    }

    my $self = bless {
        prefix  => tempdir("maas_XXXXXX", TMPDIR => 1),
        port    => free_port(),
        port2   => free_port(),
        workers => 1,
        expect  => [],
        pid     => $$,
        %opt,
    }, $class;

    mkdir "$self->{prefix}/$_" for qw(logs temp conf);
    push @live, $self;

    $self->conf($self->{http}) if defined $self->{http};

    return $self;
}


# The command, where other users may run it: the checkout of root may lie in
# a folder that is closed to them.

sub maas {
    my ($self) = @_;

    return "$build/maas" if $> != 0;

    my $copy = "$self->{prefix}/maas";

    if (!-e $copy) {
        copy("$build/maas", $copy) or BAIL_OUT("cannot copy maas: $!");
        chmod 0755, $copy;
    }

    return $copy;
}


sub fill {
    my ($self, $text) = @_;

    my %value = (PORT => $self->{port}, PORT2 => $self->{port2},
                 PREFIX => $self->{prefix}, BUILD => $build);

    $text =~ s/%MODELS%/models()/ge;
    $text =~ s/%(PORT2?|PREFIX|BUILD)%/$value{$1}/g;

    return $text;
}


# Writes the configuration around the text of its http block.

sub conf {
    my ($self, $http) = @_;

    my $user = $self->{user} // ($> == 0 ? 'root' : '');
    my $text = "load_module $build/ngx_http_maas_module.so;\n";

    $text .= "user $user;\n" if $user ne '';
    $text .= "worker_processes $self->{workers};\n"
           . "pid logs/nginx.pid;\nerror_log logs/error.log info;\n"
           . ($self->{debug} ? "error_log logs/debug.log debug;\n" : '')
           . ($self->{main} // '')
           . "events { worker_connections 512; }\nhttp {\n"
           . "    access_log off;\n"
           . "    maas_compiler " . ($user eq 'root' || $user eq ''
                                      ? "$build/maas" : $self->maas) . ";\n"
           . ($http =~ /maas_images/ ? '' : "    maas_images images;\n")
           . ($self->{debug} ? "    maas_timeout 10m;\n" : '')
           . join('', map { "    ${_}_temp_path temp/$_;\n" }
                      qw(client_body proxy fastcgi uwsgi scgi))
           . "#line 1\n$http}\n";

    write_file("$self->{prefix}/conf/nginx.conf", $self->fill($text));
}


# Line number in the file of the n-th line of the text given to conf().

sub line {
    my ($self, $n) = @_;

    my @lines = split /\n/, read_file("$self->{prefix}/conf/nginx.conf");
    my ($at) = grep { $lines[$_] eq '#line 1' } 0 .. $#lines;

    return $at + 1 + $n;
}


sub nginx {
    my ($self, @args) = @_;

    my $p = $self->{prefix};
    my $nginx = $ENV{MAAS_NGINX} || 'nginx';

    # for nginx alone: the shell does not run with every sanitizer
    $nginx = "env LD_PRELOAD=$ENV{MAAS_PRELOAD} $nginx" if $ENV{MAAS_PRELOAD};

    my $out = `$nginx -p $p/ -c $p/conf/nginx.conf -e logs/error.log \\
               @args 2>&1 </dev/null`;

    return ($? >> 8, $out);
}


# nginx -t: exit code and what it said.

sub check {
    my ($self) = @_;

    return $self->nginx('-t');
}


sub start {
    my ($self) = @_;

    my ($code, $out) = $self->nginx();

    if ($code != 0) {
        diag($out);
        BAIL_OUT('nginx does not start') if !$self->{may_fail};
        return 0;
    }

    $self->{started} = 1;

    wait_for(20, sub {
        my @now = $self->master ? $self->workers : ();
        return @now == $self->{workers} && $self->try_connect;
    }) or BAIL_OUT('nginx does not listen');

    return 1;
}


sub master {
    my ($self) = @_;

    my ($pid) = read_file("$self->{prefix}/logs/nginx.pid") =~ /(\d+)/;
    return $pid;
}


sub workers {
    my ($self) = @_;

    my $master = $self->master or return;
    my $list = read_file("/proc/$master/task/$master/children");

    return grep { read_file("/proc/$_/cmdline") =~ /worker process(?! is)/ }
           split ' ', $list;
}


# Reloads and waits until the new workers are the only ones that accept.

sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers;
    my $size = -s "$self->{prefix}/logs/error.log";

    kill 'HUP', $self->master;

    return wait_for(20, sub {
        return 1 if substr($self->log, $size) =~ /\[emerg\]/;
        my @now = $self->workers;
        return @now == $self->{workers} && !grep { $old{$_} } @now;
    });
}


sub stop {
    my ($self, $signal, $seconds) = @_;

    my $master = $self->master;

    if ($self->{started} && $master && kill(0, $master)) {
        kill $signal || 'TERM', $master;

        if (!wait_for($seconds || 20, sub { !-e "/proc/$master" })) {
            $self->{hung} = 1;
            kill 'KILL', $self->workers, $master;
        }
    }

    $self->{started} = 0;
}


sub log {
    my ($self) = @_;

    return read_file("$self->{prefix}/logs/error.log");
}


sub wait_log {
    my ($self, $re, $seconds) = @_;

    return wait_for($seconds || 20, sub { $self->log =~ $re });
}


sub expect_log {
    my ($self, @re) = @_;

    push @{$self->{expect}}, @re;
}


sub bad_log {
    my ($self) = @_;

    my @bad = grep {
        /\[(?:alert|crit|emerg)\]|AddressSanitizer|ThreadSanitizer
         |runtime\ error:/x
    } split /\n/, $self->log;

    for my $re (@{$self->{expect}}) {
        @bad = grep { $_ !~ $re } @bad;
    }

    return @bad;
}


# Stops the servers, judges their logs, ends the test.

sub done {
    for my $t (@_) {
        $t->stop;
        my @bad = $t->bad_log;
        ok(!@bad && !$t->{hung}, 'the server stopped, its log is clean')
            or diag(join "\n", $t->{hung} ? 'it had to be killed' : (), @bad);
        $t->{judged} = 1;
    }

    done_testing();
}


END {
    my $status = $?;

    for my $t (@live) {
        next if $t->{pid} != $$;
        $t->stop;

        if (!$t->{judged}) {
            diag(join "\n", $t->bad_log);
            $status ||= 1;
        }

        remove_tree($t->{prefix}) if !$ENV{MAAS_KEEP};
    }

    $? = $status;
}


# -- memory ------------------------------------------------------------------

# Kilobytes of a process: Pss, Private (dirty and clean), Anonymous.

sub memory {
    my ($self, $pid) = @_;

    my $text = read_file("/proc/$pid/smaps_rollup");
    my %kb = $text =~ /^(\w+):\s+(\d+) kB$/mg;

    $kb{Private} = ($kb{Private_Clean} // 0) + ($kb{Private_Dirty} // 0);

    return \%kb;
}


# Pss and Rss of the mappings whose name matches.

sub mapped {
    my ($self, $pid, $re) = @_;

    my %kb = (Pss => 0, Rss => 0);
    my $in = 0;

    for (split /\n/, read_file("/proc/$pid/smaps")) {
        if (/^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)/) {
            $in = $1 =~ $re;

        } elsif ($in && /^(Pss|Rss):\s+(\d+) kB/) {
            $kb{$1} += $2;
        }
    }

    return \%kb;
}


# -- HTTP --------------------------------------------------------------------

sub try_connect {
    my ($self, $port) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                                  PeerPort => $port || $self->{port},
                                  Timeout => 5) or return;

    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1;
    $s->autoflush(1);
    ${*$s}{maas_buf} = '';

    return $s;
}


sub connect {
    my ($self, $port) = @_;

    return $self->try_connect($port) || die "cannot connect: $!";
}


# The bytes of a request; headers as pairs, close by default.

sub request {
    my ($self, $method, $uri, $body, %h) = @_;

    $h{Host} //= 'localhost';
    $h{Connection} //= 'close';
    $h{'Content-Length'} //= length $body
        if defined $body && !$h{'Transfer-Encoding'};

    return "$method $uri HTTP/1.1\r\n"
           . join('', map { "$_: $h{$_}\r\n" } sort keys %h) . "\r\n"
           . ($body // '');
}


# Sends and does not wait: the answer is read by answer($socket).

sub send {
    my ($self, @request) = @_;

    my $s = $self->connect;
    print $s $self->request(@request);

    return $s;
}


sub get {
    my ($self, $uri, %h) = @_;

    return $self->answer($self->send('GET', $uri, undef, %h));
}


sub post {
    my ($self, $uri, $body, %h) = @_;

    return $self->answer($self->send('POST', $uri, $body, %h));
}


sub more {
    my ($s, $end) = @_;

    my $wait = $end - time;
    return 0 if $wait <= 0 || !IO::Select->new($s)->can_read($wait);

    return sysread $s, ${*$s}{maas_buf}, 65536, length ${*$s}{maas_buf};
}


# -- how far requests are ----------------------------------------------------

# Of a server with debug => 1: where its log ends now, and whether from there
# on $n requests have reached a phase: route, body, queue, start, run, reply.
# An nginx that was built without debug says nothing; then time has to do.

sub mark {
    my ($self) = @_;

    return -s "$self->{prefix}/logs/debug.log" // 0;
}


sub phase {
    my ($self, $from, $what, $n) = @_;

    if (read_file("$self->{prefix}/logs/debug.log") !~ /\[debug\]/) {
        sleep 0.5;
        return 1;
    }

    return wait_for(60, sub {
        open my $log, '<:raw', "$self->{prefix}/logs/debug.log" or return;
        seek $log, $from, 0;
        local $/;
        return $n <= (() = <$log> =~ /^.{19} \[debug\].* maas $what\b/mg);
    }) || die "no $n requests came to the phase \"$what\"";
}


# Sends as many requests as there are bodies and waits until they wait for a
# run; or one that runs until it is closed, or for long (ten minutes are the
# deadline of such a server: as slow as it may be, that can be met).

sub queue {
    my ($self, $uri, @body) = @_;

    my $from = $self->mark;
    my @s = map { $self->send('POST', $uri, $_) } @body;

    $self->phase($from, 'queue', scalar @body);

    return wantarray ? @s : $s[0];
}


sub hold {
    my ($self, $uri, $rows) = @_;

    my $from = $self->mark;
    my $s = $self->send('POST', $uri, rows($rows // 8192));

    $self->phase($from, '(?:start|reply)', 1);
    die 'it does not run: ' . $self->answer($s)->{body}
        if IO::Select->new($s)->can_read(0);

    return $s;
}


# One answer from a connection: status, headers (lower case), body, time.
# Status 0: closed or timed out.  head: no body follows.

sub answer {
    my ($self, $s, %opt) = @_;

    my $start = time;
    my $end = $start + ($opt{timeout} || 60);
    my $buf = \${*$s}{maas_buf};
    my %r = (status => 0, headers => {}, body => '', head => '');

    while ($$buf !~ /\r\n\r\n/) {
        more($s, $end) or return { %r, raw => $$buf, time => time - $start };
    }

    $$buf =~ s/^(.*?\r\n)\r\n//s;
    $r{head} = $1;
    ($r{status}) = $r{head} =~ m{^HTTP/1\.1 (\d+)};
    $r{headers}{lc $1} = $2 while $r{head} =~ /^([\w-]+): (.*?)\r$/mg;

    return $self->answer($s, %opt) if $r{status} == 100 && !$opt{see100};

    if (!$opt{head} && $r{status} != 204 && $r{status} != 100) {
        $r{whole} = body($s, \%r, $buf, $end);
    }

    $r{time} = time - $start;

    return \%r;
}


# Takes the body off the buffer; true when it was complete.

sub body {
    my ($s, $r, $buf, $end) = @_;

    if (($r->{headers}{'transfer-encoding'} // '') eq 'chunked') {
        while (1) {
            while ($$buf !~ /^[0-9a-f]+\r\n/i) { more($s, $end) or return }
            my ($hex) = $$buf =~ /^([0-9a-f]+)/i;
            my $len = hex $hex;
            my $all = length($hex) + 2 + $len + 2;
            while (length $$buf < $all) { more($s, $end) or return }
            $r->{body} .= substr $$buf, $all - $len - 2, $len;
            substr $$buf, 0, $all, '';
            return 1 if $len == 0;
        }
    }

    my $len = $r->{headers}{'content-length'};

    while (!defined $len || length $$buf < $len) {
        if (!more($s, $end)) {
            $len = length $$buf if !defined $len;
            last;
        }
    }

    $r->{body} = substr $$buf, 0, $len, '';

    return length $r->{body} == $len;
}


# True when the peer has closed the connection.

sub closed {
    my ($self, $s, $seconds) = @_;

    my $n = more($s, time + ($seconds || 20));

    return (defined $n && $n == 0 && ${*$s}{maas_buf} eq '');
}

1;
