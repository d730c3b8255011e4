#!/usr/bin/env bash
# Install this package with other versions of what it is built on, each set (a corner) in a fresh environment, and run
# a part of the tests there. The last thing printed is a table with a row for each corner; docs/versions.md explains it.
#
#     bash tools/check_versions.sh [--list] [--quick | --all] [--again] [--keep] [--out FOLDER] [CORNER ...]
#
# Without CORNER all are tried, one after another. A corner needs an interpreter of its Python, and up to 6 GB of disk
# while it is tried. Packages come by uv, where that is on the PATH, or else by pip. The weekly job is
# `tools/check_versions.sh --again newest`.
#
# Exit status: 0 everything works or was skipped, 1 a corner is broken, 2 a wrong argument.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OUT=$ROOT/work_dirs/versions
CORNERS=(pinned py312 py313 py314 oldest torch211 newest cpu onedl)
CPU_INDEX=${CPU_INDEX:-https://download.pytorch.org/whl/cpu}
PYTEST_FLAGS=${PYTEST_FLAGS:--n 2 --dist loadfile --no-loadscope-reorder}
# The part of the tests that shows whether other packages are still as this one takes them: changes to other packages,
# operators, published numbers, texts, a training step of each system and of detectors of mmdet, training and resuming.
MIX=tests/configs/test_mix.py::test_two_steps_of_training_a_prediction_and_a_round_trip
TESTS=(tests/compat tests/operators tests/parity tests/text tests/models/text_encoders tests/configs/test_on_a_device.py
       "${MIX}[rd_faster-rcnn_r50_fpn_1x_coco]" "${MIX}[align_grounding-dino_r50_8xb2_1x_coco]"
       tests/tools/test_train_tools.py::test_training_goes_on_where_it_stopped)
# --quick: changes to other packages, text models, published numbers of each system, resuming.
QUICK=(tests/compat tests/text tests/models/text_encoders tests/parity/test_yolov9_forward.py tests/parity/test_smca.py
       tests/parity/test_mdetr_model.py "${TESTS[-1]}")
EXTRAS=text,clip,report,lvis,track,tests

describe() {
  case $1 in
    pinned) echo 'the versions of requirements.txt, on Python 3.11' ;;
    py312 | py313) echo "the versions of requirements.txt, on Python 3.${1#py3}" ;;
    py314) echo 'the newest of everything, on Python 3.14' ;;
    oldest) echo 'Python 3.11 with torch 2.6, numpy 1.26, opencv 4 and transformers 4.46' ;;
    torch211) echo 'torch 2.11, and the newest of the rest, on Python 3.12' ;;
    newest) echo 'the newest of everything, on the newest Python here: the weekly job' ;;
    cpu) echo "torch without CUDA, from \$CPU_INDEX ($CPU_INDEX), on Python 3.11" ;;
    onedl) echo 'onedl-mmengine, onedl-mmcv and onedl-mmdetection, the maintained fork, on Python 3.12' ;;
  esac
}

# Set for a corner: `pythons` (the first that is here is taken), `first` (arguments of a first install, which may be
# empty) and `wanted` (arguments of the install).
choose() {
  local package="${copy}[mm,$EXTRAS]"
  first=()
  case $1 in
    pinned | py312 | py313)
      pythons=("3.${1#py3}")
      if [[ $1 == pinned ]]; then pythons=(3.11); fi
      wanted=(-c "$ROOT/requirements.txt" torch torchvision "$package") ;;
    py314) pythons=(3.14) wanted=(torch torchvision "$package") ;;
    newest) pythons=(3.14 3.13 3.12 3.11) wanted=(torch torchvision "$package") ;;
    oldest)
      pythons=(3.11)
      wanted=('torch==2.6.0' 'torchvision==0.21.0' 'numpy==1.26.4' 'transformers==4.46.3' 'opencv-python<5'
              "$package") ;;
    torch211) pythons=(3.12) wanted=('torch==2.11.0' torchvision "$package") ;;
    cpu) pythons=(3.11) first=(--index-url "$CPU_INDEX" torch torchvision) wanted=("$package") ;;
    onedl)  # its mmcv is source only
      pythons=(3.12)
      wanted=(torch torchvision onedl-mmengine onedl-mmcv onedl-mmdetection "${copy}[$EXTRAS]") ;;
  esac
}

# Prints the path of an interpreter of a version such as 3.12.
interpreter() {
  local candidate
  for candidate in "$(command -v "python$1")" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python \
      "$(command -v python3)"; do
    if [[ -x $candidate && $("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$1" ]]
    then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# Builds leave files behind, and edits during a run do not matter.
copy_checkout() {
  mkdir -p "$copy"
  tar -C "$ROOT" --exclude-vcs --exclude=__pycache__ --exclude=./.venv --exclude=./data --exclude=./work_dirs \
    --exclude=./build --exclude=./site --exclude=./mmdet_ext/.mim -cf - . | tar -xf - -C "$copy"
}

make_environment() {  # INTERPRETER
  if command -v uv >/dev/null; then
    uv venv --quiet --seed --python "$1" "$scratch/env"
  else
    "$1" -m venv "$scratch/env"
  fi
}

install() {
  if command -v uv >/dev/null; then
    MMCV_WITH_OPS=0 uv pip install --python "$python" "$@"
  else
    MMCV_WITH_OPS=0 "$python" -m pip --disable-pip-version-check install --progress-bar off "$@"
  fi
}

install_all() {
  if [[ ${#first[@]} -gt 0 ]]; then install "${first[@]}" || return; fi
  install "${wanted[@]}"
}

# Prints the first cells of a row, with a tab between two: Python, torch, torchvision, numpy, transformers, MM packages.
versions() {
  "$python" - <<'END'
import platform
from importlib.metadata import distributions
there = {(entry.metadata['Name'] or '').lower().replace('_', '-'): entry.version for entry in distributions()}
families = [' '.join(f'{prefix}{name} {there[prefix + name]}' for prefix in ('', 'onedl-') if prefix + name in there)
            for name in ('mmengine', 'mmcv-lite', 'mmcv', 'mmdet', 'mmdetection')]
cells = [there.get(name, '') for name in ('torch', 'torchvision', 'numpy', 'transformers')]
print(platform.python_version(), *cells, ', '.join(filter(None, families)), sep='\t')
END
}

# Prints how the packages of an environment differ from requirements.txt, as a table.
differences() {  # FREEZE
  awk -F== 'function plain(name) { gsub(/_/, "-", name); return tolower(name) }
    FNR == NR { if (NF > 1) { here[plain($1)] = $2 }; next }
    /^[^#]/ && NF > 1 && (plain($1) in here) && here[plain($1)] != $2 {
      if (!rows++) print "| package | requirements.txt | here |\n| --- | --- | --- |"
      print "| " $1 " | " $2 " | " here[plain($1)] " |" }
    END { if (!rows) print "All versions are those of requirements.txt." }' "$1" "$ROOT/requirements.txt"
}

# Sums of pytest's closing line, such as "2 failed, 270 passed, 1 skipped in 43.89s", by word.
count() {  # WORDS LOG
  awk -v words="^($1),?$" '/^=* ?[0-9]+ .* in [0-9.]+s/ { sum = 0; for (i = 2; i <= NF; i++) if ($i ~ words) sum += $(i - 1) }
    END { print sum + 0 }' "$2"
}

# Write the row of a corner and what broke; `why` is empty if it works.
finish() {  # CORNER CELLS SECONDS PASSED FAILED SKIPPED WHY
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >"$result/row.tsv"
}

try_corner() {  # CORNER
  local name=$1 version='' found='' started seconds cells why=() tests=() path
  result=$OUT/$name
  rm -rf "$result"
  mkdir -p "$result"
  choose "$name"
  for version in "${pythons[@]}"; do
    if found=$(interpreter "$version"); then break; fi
  done
  if [[ -z $found ]]; then
    finish "$name" "${pythons[0]}"$'\t\t\t\t\t' '' '' '' '' "skipped: no python${pythons[0]} here"
    return
  fi
  echo "== $name: $(describe "$name"); logs in $result"
  rm -rf "$scratch/env"
  if [[ ! -d $copy ]]; then copy_checkout; fi
  make_environment "$found"
  python=$scratch/env/bin/python
  started=$SECONDS
  if ! install_all >"$result/install.log" 2>&1; then
    grep -v '^[[:space:]]*$' "$result/install.log" | tail -15
    finish "$name" "$("$python" -c 'import platform; print(platform.python_version())')"$'\t\t\t\t\t' '' '' '' '' \
      "does not install: $(first_error "$result/install.log")"
    return
  fi
  seconds=$((SECONDS - started))
  cells=$(versions)
  "$python" -m pip --disable-pip-version-check freeze --all >"$result/freeze.txt" 2>/dev/null
  echo "installed in $seconds s"

  if ! "$python" -m pip --disable-pip-version-check check >"$result/pip_check.log" 2>&1; then
    why+=("pip check: $(head -1 "$result/pip_check.log")")
  fi
  if ! (cd "$scratch" && "$python" -m mmdet_ext.doctor) >"$result/doctor.log" 2>&1; then
    why+=('doctor finds faults: '"$(grep -m1 -iE 'error|broken|fail' "$result/doctor.log" | tr -s ' ' | head -c 150)")
  fi
  for path in "${TESTS[@]}"; do
    if [[ -e $copy/${path%%::*} ]]; then tests+=("$path"); fi
  done
  # shellcheck disable=SC2086
  (cd "$copy" && OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1 timeout 3600 \
    "$python" -m pytest -q -rfE --continue-on-collection-errors $PYTEST_FLAGS "${tests[@]}") >"$result/tests.log" 2>&1 || true
  local passed failed skipped
  passed=$(count passed "$result/tests.log")
  failed=$(count 'failed|errors?' "$result/tests.log")
  skipped=$(count skipped "$result/tests.log")
  if [[ $failed != 0 ]]; then
    why+=("first of $failed: $(grep -m1 -E '^(FAILED|ERROR) ' "$result/tests.log" | cut -d' ' -f2 | head -c 200)")
  elif [[ $passed == 0 ]]; then
    why+=("no test ran: $(tail -1 "$result/tests.log" | head -c 150)")
  fi
  local IFS=';'
  finish "$name" "$cells" "$seconds" "$passed" "$failed" "$skipped" "${why[*]:-works}"
}

# The line of an installation's log that says what went wrong.
first_error() {  # LOG
  { grep -m1 -E '^ERROR|^error|×|No matching|No solution' "$1" || tail -1 "$1"; } | sed 's/^[ ×]*//' | tr -d '|\t' |
    head -c 200
}

# What a person has to know about a corner that is broken.
tell() {  # CORNER
  local verdict
  verdict=$(cut -f12 "$OUT/$1/row.tsv")
  if [[ $verdict == works || $verdict == skipped:* ]]; then return; fi
  {
    echo "$1 is broken: $verdict"
    if [[ -s $OUT/$1/tests.log ]]; then grep -E '^(FAILED|ERROR) ' "$OUT/$1/tests.log" | head -20 || true; fi
    if [[ -s $OUT/$1/freeze.txt ]]; then
      echo
      differences "$OUT/$1/freeze.txt"
    fi
  } | tee "$OUT/$1/broken.md"
  return 1
}

table() {
  local name
  echo '| corner | Python | torch | torchvision | numpy | transformers | MM packages | install, s | passed | failed |' \
    'skipped | verdict |'
  echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |'
  for name in "${CORNERS[@]}"; do
    if [[ -s $OUT/$name/row.tsv ]]; then sed 's/\t/ | /g; s/^/| /; s/$/ |/' "$OUT/$name/row.tsv"; fi
  done
}

again='' keep='' asked=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --list)
      for name in "${CORNERS[@]}"; do printf '%-9s %s\n' "$name" "$(describe "$name")"; done
      exit ;;
    --all) TESTS=(tests) ;;
    --quick) TESTS=("${QUICK[@]}") ;;
    --again) again=1 ;;
    --keep) keep=1 ;;
    --out)
      OUT=$(realpath -m "${2:?--out needs a folder}")
      shift ;;
    *)
      if [[ " ${CORNERS[*]} " != *" $1 "* ]]; then
        echo "check_versions.sh: no corner or option $1; corners are: ${CORNERS[*]}" >&2
        exit 2
      fi
      asked+=("$1") ;;
  esac
  shift
done
if [[ ${#asked[@]} == 0 ]]; then asked=("${CORNERS[@]}"); fi

scratch=$(mktemp -d)
if [[ $keep ]]; then echo "The environment of the last corner stays in $scratch/env"; else trap 'rm -rf "$scratch"' EXIT; fi
copy=$scratch/checkout
mkdir -p "$OUT"

status=0
for name in "${asked[@]}"; do
  if [[ $again || ! -s $OUT/$name/row.tsv ]]; then try_corner "$name"; fi
  tell "$name" || status=1
done
table >"$OUT/table.md"
echo
cat "$OUT/table.md"
if [[ " ${asked[*]} " == *' newest '* && -s $OUT/newest/freeze.txt ]]; then
  printf '\nnewest beside requirements.txt:\n\n'
  differences "$OUT/newest/freeze.txt"
fi
exit "$status"
