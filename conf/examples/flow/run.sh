#!/bin/sh
. "$(dirname "$0")/../example.sh"

begin

# Prepare: a dataset, its statistics, a part that no training sees.
perl data.pl > machines.csv
maas dataset import machines.csv -o machines.maasds
maas dataset show machines.maasds
maas dataset split machines.maasds --validation 0.2 --test 0.25 \
    --stratify failed

# Train six models, and compare them.
for model in linear logistic tree forest cnn lstm; do
    maas train $model.json | tail -n 1
    maas evaluate models/$model machines.validation.maasds --target failed \
        --metrics accuracy,roc_auc,average_precision
done

# Deploy, call: the forest as a table with the columns' names, the LSTM by its
# readings.
serve
maas dataset head machines.test.maasds --rows 2 > ask.csv
cut -d, -f1-15 ask.csv > features.csv
ask /forest -H 'Content-Type: text/csv' --data-binary @features.csv
sed -n 2p ask.csv | cut -d, -f1-12 |
    sed 's/,/],[/g; s/.*/{"instances": [[[&]]]}/' > row.json
ask /v1/models/lstm:predict -d @row.json

# Evaluate: ROC and precision-recall curves; as a page where Debian's
# libjs-chart.js is installed.
maas evaluate models/forest machines.test.maasds --target failed
maas evaluate models/forest machines.test.maasds --target failed --json \
    --curves > curves.json
if [ -d /usr/share/javascript/chart.js ]; then
    maas evaluate models/forest machines.test.maasds --target failed \
        --report report.html > /dev/null
fi

# Tune, redeploy, and see that it is better.
maas tune forest.json --text
reload
ask /forest -H 'Content-Type: text/csv' --data-binary @features.csv
maas evaluate models/forest machines.test.maasds --target failed \
    --metrics accuracy,roc_auc,average_precision
