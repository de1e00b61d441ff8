#!/bin/sh
# Exchanges the ID token of a GitHub Actions job for a password of Postern, and tells the following steps of the job where
# to connect: PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT. Secrets go through pipes and files that
# only the job's user can read, never through arguments.
set -eu
umask 077

die() {
  printf '::error::%s\n' "$1"
  exit 1
}

# The text of a member of a flat JSON object. What is taken here holds no quotes.
member() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

[ -n "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ] || die 'The job has no right to an ID token: permissions: { id-token: write }'

answer=$(printf 'header = "Authorization: bearer %s"\n' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" |
  curl -sS --fail --proto =https --max-time 30 --retry 3 -K - \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$POSTERN_AUDIENCE") || die 'GitHub gives no ID token.'
token=$(printf '%s' "$answer" | member value)
[ -n "$token" ] || die 'GitHub answered with something else than an ID token.'

directory=$(mktemp -d "${RUNNER_TEMP:-/tmp}/postern.XXXXXX")
answer=$(
  {
    printf 'data-urlencode = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"\n'
    printf 'data-urlencode = "subject_token_type=urn:ietf:params:oauth:token-type:jwt"\n'
    printf 'data-urlencode = "subject_token=%s"\n' "$token"
    printf 'data-urlencode = "requested_token_type=urn:postern:token-type:scram-password"\n'
    printf 'data-urlencode = "audience=%s"\n' "$POSTERN_RESOURCE"
    printf 'data-urlencode = "lifetime=%s"\n' "$POSTERN_LIFETIME"
    [ -z "${POSTERN_CA:-}" ] || printf 'cacert = "%s"\n' "$POSTERN_CA"
  } | curl -sS --proto =https --max-time 30 -K - "$POSTERN_URL/v1/token"
) || die "$POSTERN_URL does not answer."
password=$(printf '%s' "$answer" | member access_token)
[ -n "$password" ] || die "Postern refuses: $(printf '%s' "$answer" | member error_description)"
printf '::add-mask::%s\n' "$password"

user=$(printf '%s' "$answer" | member username)
port=$(printf '%s' "$answer" | sed -n 's/.*"port":\([0-9]*\).*/\1/p')
host=${POSTERN_HOST:-$(printf '%s' "$POSTERN_URL" | sed -e 's,^https://,,' -e 's,/.*,,' -e 's,:[0-9]*$,,' -e 's,^\[\(.*\)\]$,\1,')}
printf '%b' "$(printf '%s' "$answer" | member ca)" >"$directory/ca.crt"
printf '%s:%s:%s:%s:%s\n' "$(printf '%s' "$host" | sed 's/:/\\:/g')" "$port" "$POSTERN_RESOURCE" "$user" "$password" >"$directory/pgpass"
{
  printf 'PGHOST=%s\nPGPORT=%s\nPGUSER=%s\nPGDATABASE=%s\n' "$host" "$port" "$user" "$POSTERN_RESOURCE"
  printf 'PGPASSFILE=%s\nPGSSLMODE=verify-full\nPGSSLROOTCERT=%s\nPGSSLCERTMODE=disable\n' "$directory/pgpass" "$directory/ca.crt"
} >>"$GITHUB_ENV"
printf 'A credential of %s for %s, valid for %s seconds.\n' "$user" "$POSTERN_RESOURCE" \
  "$(printf '%s' "$answer" | sed -n 's/.*"expires_in":\([0-9]*\).*/\1/p')"
