#!/bin/sh
. "$(dirname "$0")/../example.sh"

begin
perl data.pl > events.csv
perl data.pl test > test.csv

maas train events.json | tail -n 1
maas tune events.json --text
maas tune events.json --text --set "search=$(cat random.json)"

for version in 1 2 3; do
    maas evaluate models/events/$version test.csv --target event \
        --task classification --metrics accuracy,recall_macro,f1_macro
done

# A row of test.csv, as JSON, for a model that is loaded without a server.
sed -n '2s/\(.*\),.*/[[\1]]/p' test.csv > row.json
maas run models/events/1 --input row.json --json

serve
row=$(cat row.json)
ask /v1/models/events:predict -d "{\"instances\": $row}"
ask /v1/models/events/versions/1:predict -d "{\"instances\": $row}"
ask /v2/models/events/versions/1/infer -d "{\"inputs\": [{\"name\":
    \"features\", \"shape\": [1, 10], \"datatype\": \"FP32\", \"data\": $row}]}"
ask /v1/models/events
