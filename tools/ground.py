"""Find in images what a caption names, with a trained MDETR or TextYOLOv9.

    python tools/ground.py IMAGE [IMAGE ...] "a red circle left of a blue star" --config C --checkpoint K

A TextYOLOv9 is asked for the caption as one phrase, or for several phrases with dots between them: "red circle . star".
For each box one line: image, phrase, score, and x1 y1 x2 y2 in pixels, the best first; and OUT/NAME.png with the boxes
drawn, the caption beneath. All images are searched for the one caption, which must not be empty. An image that cannot
be read is named at the end, and the exit status is 1. For letters that DejaVu Sans does not have, name a font:
--cfg-options visualizer.font_families="Noto Sans CJK JP".
"""
import argparse
import contextlib
import json
import sys
import warnings
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run, wrong_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='images to search')
    parser.add_argument('caption', metavar='CAPTION', help='what to look for, last and in quotes')
    parser.add_argument('--config', required=True, metavar='C', help='config of an MDETR or a TextYOLOv9')
    parser.add_argument('--checkpoint', required=True, metavar='K', help='its checkpoint')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/ground'), metavar='DIR',
                        help='folder of the images with boxes (default: %(default)s)')
    parser.add_argument('--score-thr', '--threshold', dest='threshold', type=float, metavar='T',
                        help='least score of a box, from 0 to 1 (default: 0.7 for MDETR, 0.25 for TextYOLOv9)')
    parser.add_argument('--json', action='store_true', help='print one JSON list with an entry for each image instead')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        parser.error(f'--score-thr should be from 0 to 1, got {args.threshold}')
    if args.out.exists() and not args.out.is_dir():
        parser.error(f'--out {args.out} is a file, should be a folder')
    if not args.caption.strip():
        parser.error('CAPTION is empty: there is nothing to look for')
    return args


def build_inferencer(args: argparse.Namespace):
    """mmdet's `DetInferencer`.

    Raises:
        OSError: A file is missing.
        ValueError: Config, checkpoint or device do not fit.
    """
    from mmdet.apis import DetInferencer
    from mmdet.registry import MODELS

    from mmdet_ext.models.detectors import MDETR, TextYOLOv9
    from mmdet_ext.predict.loading import choose_device, read_config

    device = choose_device(args.device)
    cfg = read_config(args.config, args.cfg_options)
    name = cfg.get('model', {}).get('type')
    detector = MODELS.get(name) if isinstance(name, str) else name
    if not (isinstance(detector, type) and issubclass(detector, (MDETR, TextYOLOv9))):
        raise ValueError(f'{args.config} is the config of no MDETR and no TextYOLOv9: model.type is {name}')
    if args.threshold is None:
        args.threshold = 0.7 if issubclass(detector, MDETR) else 0.25
    cfg.model.text_encoder.pretrained = False  # the checkpoint has its weights
    fonts = cfg.get('visualizer', {}).get('font_families', 'sans-serif')
    cfg.visualizer = dict(type='GroundingVisualizer', font_families=fonts)
    return DetInferencer(cfg, args.checkpoint, device=str(device), show_progress=False)


def ground(inferencer, path: str, file: Path, args: argparse.Namespace) -> dict:
    """Boxes of one image, drawn to `file`."""
    from mmdet_ext.visualization.images import read_image

    image = read_image(path)
    sample, = inferencer(path, texts=args.caption, return_datasamples=True)['predictions']
    inferencer.visualizer.add_datasample(file.stem, image, sample, draw_gt=False, pred_score_thr=args.threshold,
                                         out_file=str(file))
    instances = sample.pred_instances
    instances = instances[instances.scores > args.threshold]
    instances = instances[instances.scores.argsort(descending=True)].cpu()
    boxes = [dict(phrase=phrase, spans=spans, score=round(score, 4), box=[round(side, 1) for side in box])
             for phrase, spans, score, box in zip(instances.phrases, instances.spans, instances.scores.tolist(),
                                                  instances.bboxes.tolist(), strict=True)]
    return dict(image=path, caption=args.caption, drawn=str(file), boxes=boxes)


def main() -> int:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.visualization.images import unique_names

    args.out.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings(), wrong_config(args.config):
        warnings.filterwarnings('ignore', message='dataset_meta or class names')  # it has no classes
        inferencer = build_inferencer(args)

    results, skipped = [], []
    for path, name in zip(args.images, unique_names(args.images), strict=True):
        try:
            result = ground(inferencer, path, args.out / f'{name}.png', args)
        except (OSError, ValueError) as error:
            skipped.append(f'ground.py: skipped {path}: {str(error).removeprefix(f"{path}: ")}')
            continue
        results.append(result)
        for box in () if args.json else result['boxes']:
            print(f'{path}: {box["phrase"]}  {box["score"]:.3f}  {" ".join(map(str, box["box"]))}')
        if not args.json:
            print(f'{path}: {len(result["boxes"])} boxes, drawn in {result["drawn"]}')
    if args.json:
        print(json.dumps(results, ensure_ascii=False, indent=1))
    print(*skipped, sep='\n', end='\n' if skipped else '', file=sys.stderr)
    return int(bool(skipped))


if __name__ == '__main__':
    run(main)
