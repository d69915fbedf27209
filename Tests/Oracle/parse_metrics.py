"""Reads an exposition (the named file, or standard input) with Prometheus's own client, and prints one line for each
sample: type, name, labels as JSON, value. Needs prometheus_client."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

text = open(sys.argv[1]).read() if len(sys.argv) > 1 else sys.stdin.read()
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        print(family.type, sample.name, json.dumps(sample.labels, sort_keys=True), repr(float(sample.value)))
