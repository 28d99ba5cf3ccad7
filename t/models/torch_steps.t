# 100 steps beside PyTorch, from the same weights and rows, for each
# optimiser, loss and layer: torch_steps.py does it all and prints TAP.

use strict;
use warnings;

use FindBin;

$ENV{MAAS_BUILD} ||= "$FindBin::Bin/../../build";
exec '/usr/bin/python3', "$FindBin::Bin/torch_steps.py" or die "python3: $!";
