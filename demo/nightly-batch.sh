#!/bin/sh
# A nightly job as banks have them: psql and a script with node-postgres. It knows nothing of Postern; where to connect
# and as whom is in its environment.
set -eu
cd "$(dirname "$0")"

echo "interest accounts before:"
psql -X -q -c "select number, balance from ledger.balances where kind = 'interest'"

node pay-interest.ts

echo "interest accounts after:"
psql -X -q -c "select number, balance from ledger.balances where kind = 'interest'"
