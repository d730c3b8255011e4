"""Draw Shapes, train a small YOLOv9 on it, evaluate it on pictures it has not seen: python tools/demo.py [yolo_rd].

With `yolo_rd` the protocol of YOLO-RD in miniature: the YOLOv9, a dictionary of its features, a YOLOv9 with that dictionary.
Data go to ./data and the rest to ./work_dirs. What was interrupted goes on where it was.
"""
import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIN_AP50 = dict(yolov9=0.80, yolo_rd=0.65)  # the second trains twice, for fewer epochs each


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Draw Shapes, train a small YOLOv9 on it, evaluate it.')
    parser.add_argument('system', nargs='?', choices=['yolov9', 'yolo_rd'], default='yolov9',
                        help='yolo_rd: then build a dictionary from it and train a second one with the dictionary')
    parser.add_argument('--work-dir', type=Path, help='folder of everything but the data (default: work_dirs/demo, '
                        'work_dirs/demo_rd)')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options')
    args = parser.parse_args()
    args.work_dir = args.work_dir or Path('work_dirs', 'demo' if args.system == 'yolov9' else 'demo_rd')
    return args


def run(tool: str, *arguments: object) -> None:
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    print('$', *(f"'{word}'" if ' ' in word else word for word in command), flush=True)
    try:
        code = subprocess.call(command)
    except KeyboardInterrupt:
        sys.exit(f'demo.py: interrupted in {tool}; the same command goes on from there')
    if code:
        sys.exit(f'demo.py: {tool} failed with exit code {code}')


def train_and_test(config: Path, work_dir: Path, options: list[str]) -> tuple[Path, float]:
    """Print the result; returns the checkpoint and box AP50."""
    pictures = (work_dir / 'pictures').resolve()
    run('train.py', config, '--work-dir', work_dir, '--resume', *(['--cfg-options', *options] if options else []))
    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())
    run('test.py', config, checkpoint, '--work-dir', work_dir / 'test', '--show-dir', pictures)
    metrics_file = max((work_dir / 'test').glob('*/*.json'))  # folders and files are named by the time
    metrics = json.loads(metrics_file.read_text())
    ap50, ap = metrics['coco/bbox_mAP_50'], metrics['coco/bbox_mAP']
    print(f"""
{config.stem}: box AP50 {ap50:.3f}, AP {ap:.3f} on {len(list(pictures.iterdir()))} held-out pictures
  pictures    {pictures} (truth on the left, prediction on the right)
  checkpoint  {checkpoint.resolve()}
  logs        {work_dir.resolve()}
  metrics     {metrics_file.resolve()}
  data        {Path('data/shapes').resolve()}""")
    return checkpoint, ap50


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    config = ROOT / 'configs/yolov9/yolov9t_shapes.py'
    run('data/make_shapes.py', '--out', 'data/shapes')
    if args.system == 'yolov9':
        _, ap50 = train_and_test(config, args.work_dir, args.train_options)
    else:
        ap50 = with_dictionary(config, args.work_dir, args.train_options)
    print(f'  time        {(time.monotonic() - start) / 60:.1f} minutes')
    if ap50 < MIN_AP50[args.system]:
        sys.exit(f'demo.py: box AP50 is {ap50:.3f}, under {MIN_AP50[args.system]}')


def with_dictionary(config: Path, work_dir: Path, options: list[str]) -> float:
    """Train without a dictionary, build one, train with it; returns the lower of the two box AP50."""
    options = ['train_cfg.max_epochs=11', 'default_hooks.close_mosaic.num_last_epochs=5', *options]
    checkpoint, ap50_without = train_and_test(config, work_dir / 'without', options)
    atoms = work_dir / 'atoms.pt'
    if not atoms.exists():
        run('build_dictionary.py', 'vision', '--config', config, '--checkpoint', checkpoint, '--atoms', 128,
            '--out', atoms, '--report', work_dir / 'dictionary')
    checkpoint_with, ap50 = train_and_test(ROOT / 'configs/yolo_rd/yolov9t_rd_vision_shapes.py', work_dir / 'with',
                                           [f'model.backbone.rd.atoms={atoms}', *options])
    sizes = [count_parameters(path) for path in (checkpoint, checkpoint_with)]
    print(f"""
without a dictionary {sizes[0]:,} parameters, box AP50 {ap50_without:.3f}
with 128 atoms       {sizes[1]:,} parameters, box AP50 {ap50:.3f}
added                {sizes[1] - sizes[0]:,} parameters
  dictionary  {atoms.resolve()}
  its report  {(work_dir / 'dictionary').resolve()}""")
    return min(ap50, ap50_without)


def count_parameters(checkpoint: Path) -> int:
    """Trained numbers outside the auxiliary branch, which exists in training only."""
    import torch  # only now, so that --help is quick

    from mmdet_ext.compat import allow_mmengine_checkpoints

    allow_mmengine_checkpoints()
    weights = torch.load(checkpoint, map_location='cpu')['state_dict']
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    return sum(value.numel() for key, value in weights.items()
               if not key.startswith('aux_head.') and not key.endswith(statistics))


if __name__ == '__main__':
    main()
