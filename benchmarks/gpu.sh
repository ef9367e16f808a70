#!/bin/bash
# What only a machine with GPUs can show, in one go of about twenty minutes on one that has its environments:
#
#     benchmarks/gpu.sh IMAGES WEIGHTS [OUT]
#
# IMAGES are labelled images in any layout (a folder per synset), WEIGHTS a folder of checkpoints: the official ones, or
# those of `python -m harness.standins --data IMAGES --out WEIGHTS`. OUT (default: gpu-check) gets reports and logs.
# Each check ends in a line "ok" or "FAILED"; the status is the number of those that failed. What it prints:
#
#     device: 8 x NVIDIA H100 80GB HBM3 (sm_90), driver 580.65.06; builds of PyTorch that fit: cu126, cu130, cu132
#     ok      counting with --device cuda asks no GPU of any source
#     ok      one GPU twice: the same bits
#     ok      one GPU and all of them: the same bits
#     ok      killed and resumed: the same bits
#     ok      shards and their merger: the same bits
#     ok      GPU and CPU: at most 1 in 100 images with another best class
#     ok      tf32 is certified against fp32, and differs from it
#     ok      a batch that the memory does not hold is halved
#     ok      ppcls says that it runs on the CPU, and does
#     ok      a GPU that is not there is one message, status 2
#
# and after each comparison a line for each network: images, same bits or the largest difference, images a second.
# MORE has further options of every run, such as --models. Without GPUs it can be tried with ONE=cpu ALL=cpu:0-1; what is
# about GPUs alone fails then.
set -u
IMAGES=${1:?folder of labelled images}; WEIGHTS=${2:?folder of checkpoints}; OUT=${3:-gpu-check}
ONE=${ONE:-cuda}; ALL=${ALL:-all}; SOURCES=${SOURCES:-timm,mmcls}; LIMIT=${LIMIT:-2048}; PYTHON=${PYTHON:-python}; MORE=${MORE:-}
export PYTHONPATH; PYTHONPATH=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$OUT"
failed=0

run() { # name, options: a run into OUT/name, with accuracies alone
    local name=$1; shift
    $PYTHON -P -m harness.run --data "$IMAGES" --weights "$WEIGHTS" --limit "$LIMIT" --checks accuracy \
        --sources "$SOURCES" --out "$OUT/$name" $MORE "$@" >"$OUT/$name.log" 2>&1
}

check() { # what, command: says whether the command succeeds
    local what=$1; shift
    if "$@"; then echo "ok      $what"; else echo "FAILED  $what"; failed=$((failed + 1)); fi
}

same() { $PYTHON -P -m benchmarks.same_bits "$OUT/$1" "$OUT/$2" "${@:3}"; }
says() { grep -q "$2" "$OUT/$1.log"; }

counting() {
    $PYTHON -P -m harness.run --device "$ONE" --checks static --out "$OUT/static" >"$OUT/static.log" 2>&1
    local status=$?
    [ $status -lt 2 ] && ! says static "cannot use the GPU"
}

killed() {
    run resumed --device "$ONE" &
    local pid=$! seen=0
    while kill -0 $pid 2>/dev/null; do # until a third is stored, or it is over
        seen=$(find "$OUT/resumed/store/predictions" -name 'part-*.parquet' 2>/dev/null | wc -l)
        [ "$seen" -ge $((LIMIT / 96)) ] && break
        sleep 0.2
    done
    pkill -9 -P $pid; wait $pid 2>/dev/null
    echo "        killed with $seen batches stored"
    run resumed --device "$ONE"
    same one resumed
}

shards() {
    for number in 2 1 3; do run shards --device "$ONE" --shard $number/3 || return 1; done
    run shards --device "$ONE" --shard merge/3
    same one shards
}

tf32() {
    run tf32 --device "$ONE" --precision tf32
    same one tf32 --at-most 0 && $PYTHON -P - "$OUT/tf32/report.json" <<'PYTHON'
import json, sys
runs = json.load(open(sys.argv[1]))["runs"]
for run in runs:
    found = run["certificate"]
    print(f"        {run['source']} {run['model']}: deviation {found['deviation']:.2g}, {found['rerun']} run again, "
          f"{found['differing']} differ, {found['fallback'] or 'certified'}")
sys.exit(not runs or not all(run["certificate"]["deviation"] > 0 for run in runs))
PYTHON
}

memory() { # 16,384 images of 256 pixels with their activations are more than any GPU has; needs so many IMAGES
    LIMIT=16384 run memory --device "$ONE" --batch-size 65536
    says memory "out of memory with a whole batch"
}

fallback() {
    SOURCES=ppcls LIMIT=64 run ppcls --device "$ONE"
    says ppcls "ppcls.* cannot use the GPU, so its networks run on the CPU" && $PYTHON -P - "$OUT/ppcls/report.json" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
sys.exit({run["device"]["kind"] for run in report["runs"]} != {"cpu"})
PYTHON
}

absent() {
    run absent --device cuda:0-999
    [ $? -eq 2 ] && says absent "there is no cuda:" && ! says absent Traceback
}

$PYTHON -P -c "from harness.cli import main; main.main(['doctor', '--device', '$ONE'])" | grep "device"
check "counting with --device $ONE asks no GPU of any source" counting
run one --device "$ONE"
run again --device "$ONE"
check "one GPU twice: the same bits" same one again
run all --devices "$ALL"
check "one GPU and all of them: the same bits" same one all
check "killed and resumed: the same bits" killed
check "shards and their merger: the same bits" shards
run cpu --device cpu
check "GPU and CPU: at most 1 in 100 images with another best class" same one cpu --at-most $((LIMIT / 100))
check "tf32 is certified against fp32, and differs from it" tf32
check "a batch that the memory does not hold is halved" memory
check "ppcls says that it runs on the CPU, and does" fallback
check "a GPU that is not there is one message, status 2" absent
exit $failed
