#!/bin/sh
# Has the Go project's implementation of transparency logs verify a log of ours, and compute the roots of our test
# vectors. It needs `go` and the Go module proxy; nothing else of Postern does.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
node scripts/interop-log.ts "$dir"
cp scripts/interop-go/main.go scripts/interop-go/go.mod scripts/interop-go/go.sum "$dir"
(cd "$dir" && go run . "$dir")
(cd "$dir" && go run . vectors) > "$dir/roots.json"
node --input-type=module -e '
  import { deepStrictEqual } from "node:assert";
  import { readFileSync } from "node:fs";
  const [ours, theirs] = process.argv.slice(1).map((file) => JSON.parse(readFileSync(file, "utf8")));
  deepStrictEqual(theirs, ours.roots);
  console.log(`golang.org/x/mod/sumdb: the roots of ${Object.keys(theirs).length} test vectors are equal`);
' src/ledger/vectors.json "$dir/roots.json"
