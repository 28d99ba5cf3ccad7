package MaasExample;

# Tests of conf/examples: an example's run.sh, what it printed, what it left.
#
#     my $e = example('linear');
#     my ($done) = $e->events('done');
#     is_deeply($e->answer(0), {...});
#     done_testing;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use MaasCli;
use Test::More;

our @EXPORT = qw(example close_to);

my $json = JSON::PP->new->allow_nonref;


# Runs it; it ends well, nginx is gone, its log has nothing to say.

sub example {
    my ($name, @args) = @_;

    plan(skip_all => 'not with a sanitizer') if $ENV{MAAS_PRELOAD};

    local $ENV{MAAS_BUILD} = $build;
    my $work = "$build/examples/$name";
    my $r = run("$root/conf/examples/$name/run.sh", @args);

    is($r->{status}, 0, "$name: run.sh") or diag($r->{out}, $r->{err});
    is($r->{err}, '', 'nothing on stderr');
    ok(!-e "$work/nginx.pid", 'nginx is gone');
    is(join('', grep { !/\[(?:notice|info)\]/ }
                split /^/, slurp("$work/logs/error.log")), '',
       'a silent error log');

    return bless { out => $r->{out}, work => $work,
                   lines => [split /\n/, $r->{out}] }, __PACKAGE__;
}


# Events that maas printed, in their order.

sub events {
    my ($self, $what) = @_;

    return grep { $_->{event} eq $what } map { $json->decode($_) }
           grep { /^\{"event":/ } @{$self->{lines}};
}


# The lines behind a command, up to the next one.

sub after {
    my ($self, $command) = @_;

    my ($text) = $self->{out} =~ /^\$ [^\n]*$command.*?\n((?:(?!\$ ).*\n)*)/m;
    return $text // '';
}


# The answers of curl, in their order: each is the last line before the next
# command.

sub answers {
    my ($self) = @_;

    return map { /.*^(\{.*\})$/ms ? $json->decode((split /\n/, $_)[-1]) : () }
           grep { /^curl / } split /^\$ /m, $self->{out};
}


# A command in its folder; as JSON.

sub maas_json {
    my ($self, @args) = @_;

    my $r = run('sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh',
                $self->{work}, "$build/maas", @args);

    is($r->{status}, 0, "maas $args[0]") or diag($r->{err});
    return eval { $json->decode($r->{out}) };
}


# /usr/bin/python3 with scikit-learn; JSON from its stdout.

sub python {
    my ($self, $text) = @_;

    my $r = run('/usr/bin/python3', '-W', 'ignore', '-c', $text,
                $self->{work});

    is($r->{status}, 0, 'scikit-learn') or diag($r->{err});
    return eval { $json->decode($r->{out}) };
}


sub close_to {
    my ($got, $want, $by, $name) = @_;

    ok(defined $got && abs($got - $want) <= $by, $name)
        or diag('got ', $got // 'nothing', ", expected $want within $by");
}

1;
