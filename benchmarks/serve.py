"""A process with one workload of one checkout, which `checkouts.py` starts.

    PYTHONPATH=CHECKOUT python serve.py CHECKOUT NAME DEVICE

It prepares the work, prints a line, and answers each line that it reads: 'time' with the seconds of one call, 'peak'
with the peak memory of a call in bytes, 'count' with what a call costs the host. `mmdet_ext` is CHECKOUT's;
`benchmarks` is the folder of this file, whatever CHECKOUT has.
"""
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def serve(root: Path, name: str, device: str) -> None:
    from benchmarks import check_package

    check_package(root)  # before the other imports, which take seconds
    import torch
    from mmengine.registry import init_default_scope

    from benchmarks.measure import peak_bytes, seconds_of
    from benchmarks.processes import ANSWER
    from benchmarks.workloads import counted, workload

    init_default_scope('mmdet')
    with TemporaryDirectory() as folder:
        work = workload(root, name, torch.device(device), Path(folder))
        answers = dict(time=lambda: seconds_of(work), peak=lambda: peak_bytes(work, torch.device(device)),
                       count=lambda: counted(work))
        print(f'{ANSWER}"ready"', flush=True)
        for line in sys.stdin:
            print(ANSWER + json.dumps(answers[line.strip()]()), flush=True)


if __name__ == '__main__':
    sys.path.pop(0)  # this folder, whose modules are no top-level ones
    import mmdet_ext  # noqa: F401  CHECKOUT's, before the path of this one comes first
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    serve(Path(sys.argv[1]), *sys.argv[2:])
