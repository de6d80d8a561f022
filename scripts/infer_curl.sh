#!/usr/bin/env bash
# Posts samples: infer_curl.sh [X.npy]. Environment: HOST, MODEL_BIN, MODEL_META, OUT, EDGEFLOW_TOKEN.
set -euo pipefail

host="${HOST:-http://localhost:8080}"
out="${OUT:-infer_out.json}"
form=(-F "input_npy=@${1:-X_test.npy}")
[ -z "${MODEL_BIN:-}" ] || form+=(-F "model_bin=@$MODEL_BIN")
[ -z "${MODEL_META:-}" ] || form+=(-F "model_meta=@$MODEL_META")

# The token goes in by standard input: arguments are seen by everyone on the machine.
if [ -n "${EDGEFLOW_TOKEN:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$EDGEFLOW_TOKEN"
fi | curl -sS --fail-with-body --config - -X POST "${host%/}/v2/infer" "${form[@]}" -o "$out"
echo "Wrote $out"
