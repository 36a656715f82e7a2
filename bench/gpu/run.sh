#!/usr/bin/env bash
# What a GPU gives, on a machine without a network: unpack the archive of pack.sh anywhere and run this in it. Builds the
# CUDA backend and llama-server from the carried sources, holds the device's scores against the CPU's on small models,
# writes the full-size random model, and runs the table: cold and warm, 10 and 100 documents of 128 and 512 tokens.
#
#     bench/gpu/run.sh [--cpu] [--small] [--threads N] [--out FOLDER] [build] [parity] [bench]
#
# --cpu: no CUDA, everything else the same. --small: the small model and a short table. A stage that was completed is not
# repeated, so that a run that was cut off goes on where it was; naming stages runs only those.
set -euo pipefail
cd "$(dirname "$0")/../.."

device=cuda size=full threads=0 out=$PWD/bench/build/gpu/results stages=()
while [ $# -gt 0 ]; do
  case "$1" in
    --cpu) device=cpu ;;
    --small) size=small ;;
    --threads) threads=$2; shift ;;
    --out) out=$(realpath -m "$2"); shift ;;
    build | parity | bench) stages+=("$1") ;;
    *) sed -n '2,10p' "$0" >&2; exit 2 ;;
  esac
  shift
done
[ ${#stages[@]} -gt 0 ] || stages=(build parity bench)
mkdir -p "$out"

[ -x node/bin/node ] && export PATH="$PWD/node/bin:$PATH"
[ -f commit ] && COMMIT=$(cat commit) && export COMMIT
export BENCH_MODELS=${BENCH_MODELS:-$PWD/models}
layers=$([ "$device" = cuda ] && echo 999 || echo 0)

build() {
  local definitions=(-DJINA_RERANKER_TESTS=OFF)
  if [ "$device" = cuda ]; then
    command -v nvcc >/dev/null || { echo "nvcc is not on PATH: a CUDA toolkit with cuBLAS is needed" >&2; exit 1; }
    # The machine's own architecture alone builds in a fraction of the time.
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d .)
    definitions+=(-DGGML_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$capability")
  fi
  # Side by side: the CUDA backend has few files, and each takes minutes.
  node bench/rivals/llama-server.mjs &
  local rival=$!
  node native/build.mjs "${definitions[@]}"
  wait "$rival"
  # Once more, because only now is there a backend to share with it.
  node bench/rivals/llama-server.mjs
  node --input-type=module -e '
    const { native } = await import(`${process.cwd()}/dist/native.js`);
    const { devices, cpuFeatures } = native.backends();
    console.log(JSON.stringify({ devices, cpuFeatures }, null, 1));
    if (process.argv[1] === "cuda" && !devices.some(({ type }) => type === "gpu")) throw new Error("no GPU among the devices");
  ' "$device"
}

parity() { node bench/gpu/parity.mjs --n-gpu-layers "$layers" --threads "$threads" --out "$out/parity.json"; }

bench() {
  local plan
  plan=$([ "$size" = full ] && echo gpu || echo gpu-small)
  node bench/main.mjs --plan "$plan" --n-gpu-layers "$layers" --threads "$threads" --out "$out"
}

for stage in "${stages[@]}"; do
  done_mark="$out/.$stage-$device-$size"
  if [ -e "$done_mark" ]; then
    echo "== $stage: done before"
    continue
  fi
  echo "== $stage"
  started=$SECONDS
  "$stage"
  touch "$done_mark"
  echo "== $stage: $((SECONDS - started)) s"
done
