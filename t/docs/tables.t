# What there is, is documented, and what is documented, is there: directives
# with their contexts, keys, variables, statuses, subcommands with their
# options, keys of model.json, operators.  docs/operators-list.md is made by
# MAAS_WRITE=1 prove t/docs/tables.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasDocs;
use Test::More;

my $build = $ENV{MAAS_BUILD} || "$root/build";
my $maas = "$build/maas";
my $module = "$root/ngx_maas_module";

BAIL_OUT("$maas is missing: run make") if !-x $maas;


sub list {
    return join ' ', sort @_;
}


# directives

my ($table) = slurp("$module/ngx_http_maas_module.c")
              =~ /ngx_maas_commands\[\] = \{(.*?)ngx_null_command/s;
my @directive = $table =~ /\{ ngx_string\("(\w+)"\)/g;
my $doc = slurp("$root/docs/directives.md");

is(list($doc =~ /^### (\w+)$/mg), list(@directive), 'directives');
is(list($doc =~ /^\| \[(\w+)\]\(#\w+\) \|/mg), list(@directive),
   'their table');

my %place = (MAIN => 'http', SRV => 'server', LOC => 'location',
             LIF => 'if in location', LMT => 'limit_except');

for my $name (@directive) {
    my ($flags) = $table =~ /"$name"\),\s+(\w[^,]*),/s;
    my $want = list(map { $place{$_} } $flags =~ /NGX_HTTP_(\w+)_CONF/g);
    my $text = section('docs/directives.md', "### $name") // '';
    my ($context) = $text =~ /^> Context: (.*)$/m;
    my ($row) = $doc =~ /^\| \[$name\].*?\| .*?\| (.*?) \|/m;

    is(list(split /, /, $context // ''), $want, "$name: contexts");
    is(list(split /, /, $row // ''), $want, "$name: contexts in the table");
    like($text, qr/^> Syntax: \*\*$name\*\*/m, "$name: syntax");
    like($text, qr/^> Default: /m, "$name: default");
    like($text, qr/^```nginx\n(?:.*\n)*?.*$name/m, "$name: example");
}

my ($keys) = slurp("$module/ngx_maas_conf_model.c")
             =~ /ngx_maas_keys\[\] = \{(.*?)ngx_null_string/s;
my $text = section('docs/directives.md', '### maas_model');

is(list($text =~ /^\| `(\w+)`/mg), list($keys =~ /ngx_string\("(\w+)"\)/g),
   'keys of maas_model');

my $vars = slurp("$module/ngx_maas_vars.c");
$text = section('docs/directives.md', '## Variables');

is(list($text =~ /^\| `\$(\w+)`/mg), list($vars =~ /ngx_string\("(\w+)"\)/g),
   'variables');

my ($names) = $vars =~ /status_names\[\] = \{(.*?)\}/s;
my ($row) = $text =~ /^\| `\$maas_status` \| (.*)$/m;

is(list($row =~ /`(\w+)`/g), list($names =~ /"(\w+)"/g),
   'values of $maas_status');


# the command

my @command = `$maas --help` =~ /^  maas (\w+)/mg;
my %section = map { $_ => 1 } slurp("$root/docs/command.md") =~ /^## (\w+)$/mg;

is(list(keys %section), list(@command), 'subcommands');

my $common = slurp("$root/docs/command.md");
$common =~ s/^## .*//ms;

for my $name (@command) {
    my $help = `$maas $name --help`;
    my $text = section('docs/command.md', "## $name") // '';
    my %option = map { $_ => 1 } $help =~ /(?<![\w-])(--?[a-z][a-z-]*)/g;
    my %told = map { $_ => 1 } $text =~ /(?<![\w-])(--[a-z][a-z-]*)/g;

    for (sort keys %option) {
        like($text, qr/`[^`]*(?<![\w-])\Q$_\E(?![\w-])/, "$name $_");
    }

    delete @told{keys %option, $common =~ /(--[a-z-]+)/g, '--output'};
    is(list(keys %told), '', "$name has no other options");
}


# model.json

my $meta = slurp("$root/engine/repo/meta.c")
           . slurp("$root/engine/repo/meta_batch.c");
my %key;

while ($meta =~ /keys\[\] = \{(.*?)NULL\s*\}/sg) {
    $key{$_} = 1 for $1 =~ /"(\w+)"/g;
}

cmp_ok(scalar keys %key, '>', 10, 'keys of model.json are found');

$doc = slurp("$root/docs/model-json.md");
my %told = map { $_ => 1 } map { /`(\w+)`/g } $doc =~ /^\| (`.*?) \|/mg;

is(list(keys %told), list(keys %key), 'keys of model.json');

for my $words ($meta =~ /meta_(?:fits|layouts|colors|meanings|orders)\[\] = \{(.*?)\}/sg)
{
    like($doc, qr/`$_`/, "model.json: $_") for $words =~ /"(\w+)"/g;
}


# operators

my $ops = decode_json(scalar `$maas inspect --ops --json`);
my $n = @$ops;
my $made = <<"EOF";
# Operators

Made by `MAAS_WRITE=1 prove t/docs/tables.t` from `maas inspect --ops --json`;
the test compares it. $n operators. *From* is the oldest opset whose form of
the operator is read; *form* the opset whose form is run. float16 and bfloat16
are computed as float32 where they are not listed.

| domain | operator | from | form | types of the first input |
| --- | --- | --- | --- | --- |
EOF

$made .= sprintf "| %s | %s | %d | %d | %s |\n", $_->{domain}, $_->{operator},
                 $_->{first}, $_->{since}, join ' ', @{$_->{dtypes}}
    for @$ops;

if ($ENV{MAAS_WRITE}) {
    open my $fh, '>', "$root/docs/operators-list.md" or die $!;
    print $fh $made;
    close $fh or die $!;
}

my $file = "$root/docs/operators-list.md";
is(-e $file ? slurp($file) : '', $made, 'docs/operators-list.md is current');


# links inside the documentation

for my $path ('README.md', map { s{^\Q$root/}{}r } glob "$root/docs/*.md") {
    my ($dir) = $path =~ m{^(.*/)?};
    my $t = slurp("$root/$path");
    $t =~ s/^```.*?^```$//msg;

    while ($t =~ /\]\(([^)\s]*)\)/g) {
        my ($to, $anchor) = split /#/, $1, 2;
        next if $to =~ /^https?:/;

        my $target = $to eq '' ? $path : ($dir // '') . $to;
        ok(-e "$root/$target", "$path: link to $target") or next;

        next if !defined $anchor;
        my %have = map { lc(s/[^\w\s-]//gr) =~ s/ /-/gr => 1 }
                   slurp("$root/$target") =~ /^#+ (.*)$/mg;
        ok($have{$anchor}, "$path: link to $target#$anchor");
    }
}

done_testing();
