#!/bin/sh
. "$(dirname "$0")/../example.sh"

begin
perl data.pl > circle.csv
maas train circle.json | tail -n 1
serve
ask /v1/models/circle:predict -d '{"instances": [[0.1, 0.2], [0.9, -0.8]]}'
