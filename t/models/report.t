#!/usr/bin/perl
# Reports of maas evaluate in headless Chromium, light and dark: every chart
# has ink, the console says nothing, nothing is fetched, texts of the data
# stay texts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasCli;
use Test::More;

my ($chromium) = grep { -x } '/usr/bin/chromium', '/usr/bin/chromium-browser';

plan skip_all => 'chromium is not installed' if !$chromium;
plan skip_all => 'libjs-chart.js is not installed'
    if !-e '/usr/share/javascript/chart.js/chart.min.js';

sub array {
    my ($name, $dims, @v) = @_;
    return npy("$tmp/$name.npy", $dims, @v);
}

sub uniform { return map { rand } 1 .. $_[0] }

srand 5;

# Appended to a copy of a page: what the charts look like, as JSON.

my $probe = <<'EOF';
<script>
const seen = [...document.querySelectorAll('canvas')].map((c) => {
    const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    const colors = new Set();
    let ink = 0;
    for (let i = 0; i < p.length; i += 4) {
        if (p[i + 3] > 200) {
            ink++;
            colors.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
        }
    }
    return { id: c.id, ink: ink / (c.width * c.height), colors: colors.size,
             scheme: colors.has(0x0068b5) ? 'light'
                     : colors.has(0x56aaeb) ? 'dark' : 'none' };
});
const out = document.createElement('script');
out.type = 'application/json';
out.id = 'seen';
out.textContent = JSON.stringify({ seen, title: document.title,
    drawn: +document.documentElement.dataset.drawn,
    fetched: performance.getEntriesByType('resource').length,
    scripts: document.scripts.length,
    wide: document.documentElement.scrollWidth - innerWidth,
    paper: getComputedStyle(document.body).backgroundColor });
document.body.append(out);
</script>
EOF

sub look {
    my ($page, @args) = @_;

    my $copy = spew("$tmp/copy.html", slurp($page) . $probe);
    local $ENV{HOME} = $tmp;
    my $r = run($chromium, '--headless', ($> == 0 ? '--no-sandbox' : ()),
                '--disable-gpu', '--disable-dev-shm-usage',
                "--user-data-dir=$tmp/chromium", '--window-size=1100,1600',
                '--enable-logging=stderr', '--virtual-time-budget=5000',
                @args, '--dump-dom', "file://$copy");
    is($r->{status}, 0, 'chromium') or diag $r->{err};
    unlike($r->{err}, qr/CONSOLE/, 'the console says nothing');
    my ($seen) = $r->{out} =~ /id="seen">(.*?)<\/script>/s;
    return json($seen // '{}');
}

sub check {
    my ($page, $name, @charts) = @_;

    my %paper;

    for my $scheme (1, 0) {
        my $s = look($page, "--blink-settings=preferredColorScheme=$scheme");
        my $how = "$name, " . ($scheme ? 'light' : 'dark');

        is_deeply([map { $_->{id} } @{$s->{seen}}], \@charts,
                  "$how: the charts");
        is($s->{drawn}, scalar @charts, "$how: all are drawn");
        is($s->{fetched}, 0, "$how: nothing is fetched");
        cmp_ok($s->{wide}, '<=', 0, "$how: nothing sticks out");

        for my $c (@{$s->{seen}}) {
            ok($c->{ink} > 0.005 && $c->{colors} > 2,
               "$how: $c->{id} has ink in colours")
                or diag encode_json($c);
            is($c->{scheme}, $scheme ? 'light' : 'dark', "$how: its colours");
        }
        $paper{$scheme} = $s->{paper};
        is($s->{title}, 'a</title><b>', "$how: the title is text");
    }

    isnt($paper{0}, $paper{1}, "$name: dark paper is not light");
}

my @title = ('--title', 'a</title><b>');
my @three = map { my @v = uniform(3); my $s = $v[0] + $v[1] + $v[2];
                  map { $_ / $s } @v } 1 .. 120;
spew("$tmp/names.txt", "<script>alert(1)</script>\n\"&'\n\x{c3}\x{a4}\n");
spew("$tmp/log.jsonl", join '', map {
    sprintf qq({"epoch":%d,"loss":%g,"validation_loss":%g,"accuracy":%g}\n),
            $_, 1 / $_, 1.2 / $_, 1 - .5 / $_ } 1 .. 50);

is(maas('evaluate', '--predictions', array('s', [120, 3], @three), '--truth',
        array('t', [120], map { $_ % 3 } 1 .. 120), '--labels',
        "$tmp/names.txt", '--log', "$tmp/log.jsonl", '--report',
        "$tmp/r.html", @title)->{status}, 0, 'a report of classes');
check("$tmp/r.html", 'classes', qw(log0 log1 roc pr calibration));

is(maas('evaluate', '--predictions', array('p', [90], uniform(90)), '--truth',
        array('y', [90], uniform(90)), '--report', "$tmp/n.html",
        @title)->{status}, 0, 'a report of numbers');
check("$tmp/n.html", 'numbers', qw(points errors));

# On paper it is light, whatever the screen is.

run($chromium, '--headless', ($> == 0 ? '--no-sandbox' : ()), '--disable-gpu',
    "--user-data-dir=$tmp/chromium", '--virtual-time-budget=5000',
    '--blink-settings=preferredColorScheme=0',
    "--print-to-pdf=$tmp/r.pdf", "file://$tmp/r.html");
like(slurp("$tmp/r.pdf"), qr/\A%PDF/, 'it prints');

done_testing;
