#!/bin/sh
# Builds one package from a fresh clone and packs it into build/packages, on a runner or in a container:
#
#     sh release/build-package.sh TARGET BUILD-COMMAND
#     sh release/build-package.sh main
set -eu
target=$1
build=${2:-}

# A container has few tools, and belongs to root; a runner has them all.
if command -v apk >/dev/null; then
  apk add --no-cache build-base cmake git linux-headers
  command -v node >/dev/null || apk add --no-cache nodejs npm
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates cmake g++ git make
fi
# The image of a CUDA toolkit has no Node; the runner's is mounted.
command -v node >/dev/null || PATH="/host-node/bin:$PATH"

npm ci --no-audit --no-fund
node vendor/materialise.mjs
# The playground's licences are in every package.
npm run build
[ -z "$build" ] || sh -c "$build"
node native/prebuild/pack.mjs "$target"
