"""Draw Shapes, train a small YOLOv9 on it, evaluate it on pictures it has not seen: python tools/demo.py.

Data go to ./data/shapes and the rest to ./work_dirs/demo. An interrupted run goes on at the last checkpoint.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIN_AP50 = 0.80


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Draw Shapes, train a small YOLOv9 on it, evaluate it.')
    parser.add_argument('--config', type=Path, default=ROOT / 'configs/yolov9/yolov9t_shapes.py',
                        help='config that finds its data in ./data/shapes')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'),
                        help='folder of everything but the data')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options')
    return parser.parse_args()


def run(tool: str, *arguments: object) -> None:
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    print('$', *(f"'{word}'" if ' ' in word else word for word in command), flush=True)
    try:
        code = subprocess.call(command)
    except KeyboardInterrupt:
        sys.exit(f'demo.py: interrupted in {tool}; the same command goes on from there')
    if code:
        sys.exit(f'demo.py: {tool} failed with exit code {code}')


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    pictures = (args.work_dir / 'pictures').resolve()
    options = ['--cfg-options', *args.train_options] if args.train_options else []

    run('data/make_shapes.py', '--out', 'data/shapes')
    run('train.py', args.config, '--work-dir', args.work_dir, '--resume', *options)
    checkpoint = Path((args.work_dir / 'last_checkpoint').read_text().strip())
    run('test.py', args.config, checkpoint, '--work-dir', args.work_dir / 'test', '--show-dir', pictures)

    metrics_file = max((args.work_dir / 'test').glob('*/*.json'))  # folders and files are named by the time
    metrics = json.loads(metrics_file.read_text())
    ap50, ap = metrics['coco/bbox_mAP_50'], metrics['coco/bbox_mAP']
    print(f"""
{args.config.stem}: box AP50 {ap50:.3f}, AP {ap:.3f} on {len(list(pictures.iterdir()))} held-out pictures
  pictures    {pictures} (truth on the left, prediction on the right)
  checkpoint  {checkpoint.resolve()}
  logs        {args.work_dir.resolve()}
  metrics     {metrics_file.resolve()}
  data        {Path('data/shapes').resolve()}
  time        {(time.monotonic() - start) / 60:.1f} minutes""")
    if ap50 < MIN_AP50:
        sys.exit(f'demo.py: box AP50 is {ap50:.3f}, under {MIN_AP50}')


if __name__ == '__main__':
    main()
