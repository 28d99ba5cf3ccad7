#!/bin/sh
. "$(dirname "$0")/../example.sh"

begin
maas train rent.json
echo "by square metre, by year, for a balcony; and the intercept:"
sed -E 's/.*"coefficients":\[([^]]*)\],"intercept":([^,]*).*/    \1; \2/' \
    models/rent/1/lineage.json
serve
ask /v2/models/rent/infer -d '{"inputs": [{"name": "X", "shape": [1, 3],
    "datatype": "FP32", "data": [60, 10, 1]}]}'
printf 'age,balcony,size\n10,1,60\n40,0,35.5\n' > ask.csv
ask /rent -H 'Content-Type: text/csv' --data-binary @ask.csv
