#!/usr/bin/env bash
# Measures a GPU on a machine without a network: unpack the archive of pack.sh anywhere (with tar -xf, or with python3 -m tarfile
# -e if xz is missing) and run this in it.
#
#     bench/gpu/run.sh [--cpu] [--small] [--threads N] [--limit SECONDS] [--out FOLDER] [-DNAME=VALUE…] [STAGE…]
#
# Stages, all by default. probe: what products and copies reach in torch, if python3 has it. build: the CUDA module from the packed
# sources, and the random model; all else was built before. parity: compares the device's scores with the CPU's, on small models.
# bench: the table, cold and warm, with 10 and 100 documents of 128 and 512 tokens, sizes of batches, and two engines on the card.
# Finished work is not repeated, so the same command continues a run that was cut off. --limit ends the run in time to copy the
# results to --out. --cpu does the same without CUDA. --small uses a tiny model and a short table. Definitions go to CMake, such
# as -DCUDAToolkit_ROOT=/opt/cuda.
set -euo pipefail
here=bench/gpu/run.sh
cd "$(dirname "$0")/../.."

device=cuda size=full threads=0 limit=0 out= stages=() definitions=() passed_on=()
while [ $# -gt 0 ]; do
  given=("$1")
  case "$1" in
    --cpu) device=cpu ;;
    --small) size=small ;;
    --threads) threads=$2 given+=("$2") ;;
    --limit) limit=$2 given=() ;;
    --out) out=$(cd "$OLDPWD" && realpath -m "$2") given=() ;;
    -D*=*) definitions+=("$1") ;;
    probe | build | parity | bench) stages+=("$1") ;;
    *) sed -n '2,13p' "$here" >&2; exit 2 ;;
  esac
  case "$1" in --threads | --limit | --out) shift ;; esac
  shift
  passed_on+=("${given[@]}")
done
[ ${#stages[@]} -gt 0 ] || stages=(probe build parity bench)

# Kept between calls, because --out may be emptied.
work=$PWD/bench/build/gpu/$device-$size
mkdir -p "$work/results"
publish() { [ -z "$out" ] || { mkdir -p "$out" && cp -r "$work/results/." "$out"; }; }

if [ "$limit" != 0 ]; then
  status=0
  timeout --kill-after=10 "$limit" "$here" "${passed_on[@]}" || status=$?
  # 137: it did not end at SIGTERM and was killed.
  case $status in 124 | 137) echo "== not done after $limit s: the same command goes on from here" ;; esac
  publish
  exit "$status"
fi

if [ -x node/bin/node ]; then export PATH="$PWD/node/bin:$PATH"; fi
if [ -f commit ]; then COMMIT=$(cat commit) && export COMMIT; fi
# All output goes into this folder.
export LLAMA_SERVER=$PWD/llama-server/llama-server
export BENCH_MODELS=${BENCH_MODELS:-$PWD/models} XDG_CACHE_HOME=$PWD/bench/build/gpu/cache
command -v make >/dev/null || export CMAKE_GENERATOR=Ninja
layers=$([ "$device" = cuda ] && echo 999 || echo 0)
for folder in "${CUDA_HOME:-}" /usr/local/cuda; do
  if [ -x "$folder/bin/nvcc" ]; then PATH="$PATH:$folder/bin"; fi
done

cuda_build=$PWD/bench/build/gpu/cuda

cuda_definitions() {
  command -v nvcc >/dev/null || { echo "nvcc is not on PATH: a CUDA toolkit with cuBLAS is needed" >&2; return 1; }
  # Building for this machine's architecture only takes a fraction of the time.
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .) || true
  echo "-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=$([ -n "$capability" ] && echo "$capability-real" || echo native)"
}

# The toolkit's cuBLAS may be outside the system's library path.
find_cublas() {
  local library=build/Release/libggml-cuda.so
  if [ -e "$library" ] && ldd "$library" | grep -q 'libcublas.*not found'; then
    library=$(sed -n 's/^CUDA_cublas_LIBRARY:[A-Z]*=//p' "$cuda_build/CMakeCache.txt")
    LD_LIBRARY_PATH=$(dirname "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
  fi
}

# Left out without torch or a card. Its figures are a page's context, so nothing else waits for it.
probe() {
  if [ "$device" = cpu ]; then
    echo "no card is asked for"
  elif ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    echo "python3 has no torch that sees a card"
  else
    python3 bench/gpu/probe.py "$work/results/probe.json" || echo "it failed, and the run goes on"
  fi
}

write_model() {
  node --input-type=module -e '
    const { ensureModel } = await import(`${process.cwd()}/bench/models.mjs`);
    await ensureModel(process.argv[1], (line) => process.stderr.write(`${line}\n`));
  ' "$([ "$size" = full ] && echo full || echo tiny)"
}

# Ninja and make continue a build that was cut off.
build_cuda() {
  local definitions_here
  definitions_here=$(cuda_definitions)
  # shellcheck disable=SC2086 # several definitions
  node --input-type=module -e '
    const { buildNative } = await import(`${process.cwd()}/native/build.mjs`);
    const [directory, ...definitions] = process.argv.slice(1);
    await buildNative({ directory, definitions, library: { target: "ggml-cuda", file: "libggml-cuda.so" } });
  ' -- "$cuda_build" $definitions_here "${definitions[@]}"
  # llama-server takes the same module.
  tee build/Release/libggml-cuda.so <"$cuda_build/Release/libggml-cuda.so" >llama-server/libggml-cuda.so
}

build() {
  local model
  # The model is written while nvcc compiles.
  write_model &
  model=$!
  trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
  if [ "$device" = cuda ]; then build_cuda; fi
  find_cublas
  wait "$model"
  node --input-type=module -e '
    const { native } = await import(`${process.cwd()}/dist/native/index.js`);
    const { devices, cpuFeatures, failures } = native.backends();
    console.log(JSON.stringify({ devices, cpuFeatures, failures }, null, 1));
    if (process.argv[1] === "cuda" && !devices.some(({ type }) => type === "gpu")) throw new Error("no GPU among the devices");
  ' "$device"
}

parity() { node bench/gpu/parity.mjs --n-gpu-layers "$layers" --threads "$threads" --out "$work/results/parity.json"; }

bench() {
  local plan
  plan=$([ "$size" = full ] && echo gpu || echo gpu-small)
  node bench/main.mjs --plan "$plan" --resume --n-gpu-layers "$layers" --threads "$threads" --out "$work/results/results" \
    --probe "$work/results/probe.json"
}

failed=
for stage in "${stages[@]}"; do
  if [ -e "$work/$stage.done" ]; then
    echo "== $stage: done before"
    continue
  fi
  # A device with wrong scores is measured too. A backend that could not be built is not.
  if [ "$failed" = build ]; then continue; fi
  echo "== $stage"
  started=$SECONDS
  find_cublas
  # Not inside a condition: there, the shell ignores set -e, and the stage would continue after a failure.
  set +e
  (set -e && "$stage")
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    touch "$work/$stage.done"
    echo "== $stage: $((SECONDS - started)) s" | tee -a "$work/results/stages.txt"
  else
    failed=$stage
    echo "== $stage: failed after $((SECONDS - started)) s" | tee -a "$work/results/stages.txt"
  fi
done
publish
[ -z "$failed" ]
