#!/bin/sh
. "$(dirname "$0")/../example.sh"

# With a folder of CIFAR-10's binary version: run.sh FOLDER
folder=cifar
[ $# -eq 0 ] || folder=$(cd "$1" && pwd) || exit 1

begin
[ $# -gt 0 ] || perl shapes.pl cifar 800 250
maas dataset import "$folder" -o shapes.maasds
maas dataset import "$folder/test_batch.bin" -o test.maasds
maas train shapes.json
maas evaluate models/shapes test.maasds --metrics accuracy

perl shapes.pl ring.png ring
maas run models/shapes --input ring.png --json
serve
ask /shapes -H 'Content-Type: image/png' --data-binary @ring.png
