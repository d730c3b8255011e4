#!/usr/bin/env bash
# Install mmcv from the package index into the environment of $PYTHON, which must hold torch, setuptools<82 and wheel.
#
#     PYTHON=.venv/bin/python bash tools/install_mmcv.sh [VERSION]
#
# The index has mmcv as source only. Built as it is, its CPU operators take about ten minutes on two cores, nearly all
# of it reading torch's headers again for each of some 90 files. With those precompiled and no debug symbols it takes
# three. pip keeps the wheel it built, so that the next environment on the same machine takes seconds.
# Where torch sees a GPU and there is an nvcc, mmcv adds its CUDA operators, half an hour of one core's time or more.
# mmdet's own models need them on a GPU, those of this package do not:
# CUDA_VISIBLE_DEVICES= in the environment leaves them out.
set -euo pipefail

VERSION=${1:-2.1.0}
PYTHON=${PYTHON:-python}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

loads() {  # that version, with CUDA operators where they can be compiled
  "$PYTHON" -c "import mmcv.ops, torch; from torch.utils.cpp_extension import CUDA_HOME
assert mmcv.__version__ == '$VERSION'
assert not (CUDA_HOME and torch.cuda.is_available()) or mmcv.ops.get_compiling_cuda_version() != 'not available'" \
    >/dev/null 2>&1
}

if loads; then
  echo "mmcv $VERSION is there already."
  exit
fi
if ! "$PYTHON" -c 'import torch, pkg_resources' >/dev/null 2>&1; then
  echo "mmcv compiles against torch and needs pkg_resources: first install torch, 'setuptools<82' and wheel." >&2
  exit 1
fi

export MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)}
PATH=$(dirname "$("$PYTHON" -c 'import sys; print(sys.executable)')"):$PATH  # torch looks for ninja there
if ! "$PYTHON" -c 'from torch.utils.cpp_extension import CUDA_HOME; assert CUDA_HOME' 2>/dev/null; then
  export CUDA_VISIBLE_DEVICES=  # a GPU without a CUDA compiler: CPU operators only
fi

FLAGS='-DNDEBUG -fwrapv -g0 -O1'
precompile_headers() {
  local includes
  echo '#include <torch/types.h>' >"$scratch/mmcv_pch.h"
  mapfile -t includes < <("$PYTHON" -c 'import sysconfig, torch.utils.cpp_extension as torch
print(*(f"-I{path}" for path in [*torch.include_paths(), sysconfig.get_path("include")]), sep="\n")')
  # shellcheck disable=SC2086
  ${CXX:-c++} $FLAGS -fPIC -std=c++17 "${includes[@]}" -x c++-header "$scratch/mmcv_pch.h" -o "$scratch/mmcv_pch.h.gch"
}

install_mmcv() { "$PYTHON" -m pip install -qq --no-build-isolation "$@" "mmcv==$VERSION"; }
install_fast() {
  precompile_headers >"$scratch/log" 2>&1 &&
    CFLAGS="$FLAGS -include $scratch/mmcv_pch.h" CXXFLAGS="$FLAGS -include $scratch/mmcv_pch.h" \
      install_mmcv "$@" >"$scratch/log" 2>&1
}
install_either_way() {
  install_fast "$@" || {
    command -v "${CXX:-c++}" >/dev/null || { echo 'mmcv needs a C++ compiler: install g++, or set CXX.' >&2; exit 1; }
    echo 'The fast build did not work here; building mmcv as it is, about ten minutes.'
    install_mmcv "$@"
  }
}

echo "mmcv $VERSION: compiling its operators, once: three to ten minutes on two cores, seconds if pip has kept a wheel."
install_either_way
if ! loads; then
  echo 'The wheel that pip had kept was compiled for another torch or without CUDA: compiling it again.'
  install_either_way --no-deps --force-reinstall --no-cache-dir
  "$PYTHON" -c 'import mmcv.ops'
fi
