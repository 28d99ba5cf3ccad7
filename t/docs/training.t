# docs/training.md: the tables of keys, layers, losses, optimisers and
# schedules are what the program has.  MAAS_WRITE=1 writes them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasDocs;
use Test::More;

my $build = $ENV{MAAS_BUILD} || "$root/build";
my $file = "$root/docs/training.md";

BAIL_OUT("$build/maas is missing: run make") if !-x "$build/maas";

my $d = decode_json(scalar `$build/maas train --describe`);
my %object = map { $_->{name} => $_ } @{$d->{objects}};


sub values_of {
    my ($p) = @_;

    return $p->{type} if $p->{type} ne 'word';
    return 'an [activation](#layers)'
        if "@{$p->{words}}" eq "@{$d->{activations}}";
    return 'an [initializer](#layers)'
        if "@{$p->{words}}" eq "@{$d->{initializers}}";
    return join ', ', map { "`$_`" } @{$p->{words}};
}


sub default_of {
    my ($p, $r) = @_;

    return 'required' if $p->{required};
    return $r->{learning_rate} // 'by type'
        if $p->{name} eq 'learning_rate' && $p->{default} == -1;
    return '' if !exists $p->{default};

    my $v = $p->{default};
    return '' if !JSON::PP::is_bool($v) && $v =~ /^-?1e\+?\d{3}/;
    return JSON::PP::is_bool($v) ? ($v ? 'true' : 'false')
           : $p->{type} eq 'word' ? "`$v`" : $v;
}


sub table {
    my ($r) = @_;

    return '' if !@{$r->{params}};

    return "| key | values | default | |\n| --- | --- | --- | --- |\n"
           . join '', map {
               ok($_->{about}, "$r->{name}: $_->{name} is explained");
               sprintf "| `%s` | %s | %s | %s |\n", $_->{name}, values_of($_),
                       default_of($_, $r), $_->{about} =~ s/\|/\\|/gr
           } @{$r->{params}};
}


sub rows {
    my ($list) = @_;

    return join "\n", map {
        my $t = table($_);
        my $also = $_->{alias} ? " Also `$_->{alias}`." : '';
        my $rate = $_->{learning_rate}
                   ? " Learning rate $_->{learning_rate}." : '';
        "### $_->{name}\n\n" . (ucfirst $_->{about}) =~ s/([*|])/\\$1/gr
        . ".$also$rate\n" . ($t ? "\n$t" : '')
    } @$list;
}


my %made = (
    specification => join("\n", map {
        my ($name, $title) = @$_;
        "#### $title\n\n" . table($object{$name})
    } ['specification', 'The specification'], ['data', '`data`'],
      ['split', '`data.split`'], ['augment', '`data.augment`'],
      ['network', '`model` of type `network`'], ['input', '`model.input`'],
      ['early_stopping', '`early_stopping`'],
      ['checkpoint', '`checkpoint`'])
      . "\n#### `metrics`\n\n| name | |\n| --- | --- |\n"
      . join('', map {
          my $also = join ', ', map { "`$_`" } @{$_->{aliases} // []};
          "| `$_->{name}` | $_->{about}" =~ s/\|x - y\|/\\|x - y\\|/r
          . ($also ? "; also $also" : '') . " |\n"
      } @{$d->{metrics}}),
    finetune => join("\n", map {
        my ($name, $title) = @$_;
        "#### $title\n\n" . table($object{$name})
    } ['finetune', '`model` of type `finetune`'], ['lora', '`model.lora`']),
    steps => rows($d->{steps}),
    layers => rows($d->{layers})
      . "\nActivations: " . join(', ', map { "`$_`" } @{$d->{activations}})
      . ".\n",
    losses => rows($d->{losses}),
    optimisers => "Every optimiser has:\n\n" . table($object{optimizer})
      . "\n" . rows($d->{optimizers}),
    agents => rows($d->{agents}) . "\n#### `epsilon`\n\n"
      . table($object{epsilon}),
    environments => rows($d->{environments}),
    schedules => "Every schedule has:\n\n" . table($object{schedule}) . "\n"
      . rows($d->{schedules})
);

my $doc = slurp($file);

if ($ENV{MAAS_WRITE}) {
    $doc =~ s/(<!-- $_ -->\n).*?(<!-- end $_ -->)/$1\n$made{$_}\n$2/s
        for keys %made;
    open my $fh, '>', $file or die $!;
    print $fh $doc;
    close $fh or die $!;
}

for (sort keys %made) {
    my ($have) = $doc =~ /<!-- $_ -->\n\n(.*?)\n<!-- end $_ -->/s;
    is($have // '', $made{$_}, "docs/training.md: $_");
}

done_testing();
