#!/usr/bin/env bash
# Train on several processes: tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# GPUS is the number of processes on this machine; without a CUDA device they run on the CPU.
# From the environment: NNODES, NODE_RANK, MASTER_ADDR, PORT for several machines; PYTHON, the interpreter; MAX_RESTARTS,
# how often all processes start again after one of them ended in an error, with --resume from the last checkpoint (0).
set -euo pipefail
if (($# < 2)); then
  echo "usage: $0 CONFIG GPUS [options of tools/train.py]" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "${PYTHON:-python}" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
  --master_port="${PORT:-29500}" --nproc_per_node="$2" \
  --max_restarts="${MAX_RESTARTS:-${PET_MAX_RESTARTS:-0}}" \
  "$here/train.py" "$1" --launcher pytorch "${@:3}"
