"""Find in pictures what a caption names, with a trained MDETR.

    python tools/ground.py PICTURE [PICTURE ...] "a red circle left of a blue star" --config C --checkpoint K

For each box one line: picture, phrase, score, and x1 y1 x2 y2 in pixels, the best first; and OUT/NAME.png with the
boxes, the caption beneath. All pictures are looked at with the one caption, which must not be empty. A picture that
cannot be read is named at the end, and the exit code is 1. For letters that DejaVu Sans has not, name a font:
--cfg-options visualizer.font_families="Noto Sans CJK JP".
"""
import argparse
import contextlib
import json
import sys
import warnings
from pathlib import Path

from mmengine.config import DictAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', nargs='+', metavar='PICTURE', help='pictures to look at')
    parser.add_argument('caption', metavar='CAPTION', help='what to look for, last and in quotes')
    parser.add_argument('--config', required=True, metavar='C', help='config of an MDETR')
    parser.add_argument('--checkpoint', required=True, metavar='K', help='its checkpoint')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/ground'), metavar='DIR',
                        help='folder to write pictures to (default: %(default)s)')
    parser.add_argument('--threshold', type=float, default=0.7, metavar='T',
                        help='least score of a box, from 0 to 1 (default: %(default)s)')
    parser.add_argument('--json', action='store_true',
                        help='print one JSON list with an entry for each picture instead')
    parser.add_argument('--device', help='default: cuda if there is one, else cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    if not 0 <= args.threshold <= 1:
        parser.error(f'--threshold should be from 0 to 1, got {args.threshold}')
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
    import torch
    from mmdet.apis import DetInferencer
    from mmdet.registry import MODELS

    from mmdet_ext import launch
    from mmdet_ext.compat import allow_mmengine_checkpoints
    from mmdet_ext.models.detectors import MDETR

    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f'--device {device}: no CUDA device is visible')
    allow_mmengine_checkpoints()
    cfg = launch.load_config(args.config, options=args.cfg_options)
    name = cfg.get('model', {}).get('type')
    found = MODELS.get(name) if isinstance(name, str) else name
    if not (isinstance(found, type) and issubclass(found, MDETR)):
        raise ValueError(f'{args.config} is the config of no MDETR: model.type is {name}')
    check_file(args.checkpoint)
    cfg.model.text_encoder.pretrained = False  # the checkpoint has its weights
    fonts = cfg.get('visualizer', {}).get('font_families', 'sans-serif')
    cfg.visualizer = dict(type='GroundingVisualizer', font_families=fonts)
    names = names_in(args.checkpoint)
    inferencer = DetInferencer(cfg, args.checkpoint, device=device, show_progress=False)
    if names is not None:
        check_names(inferencer.model, names, args.checkpoint)
    launch.check_shapes(inferencer.model, args.checkpoint)
    return inferencer


def names_in(checkpoint: str) -> set[str] | None:
    """The names of a checkpoint's tensors; None if it is to be downloaded.

    Raises:
        ValueError: It is no checkpoint of a model.
    """
    import torch

    if '://' in checkpoint:
        return None
    content = torch.load(checkpoint, map_location='cpu')
    weights = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise ValueError(f'{checkpoint} is no checkpoint of a model, but holds a {type(content).__name__}')
    return set(weights)


def check_names(model, names: set[str], checkpoint: str) -> None:
    """Raise a ValueError unless all that the model predicts with is there: mmengine would leave it random."""
    optional = ('num_batches_tracked', '.pooler.', '.align_')  # a counter, and what is for training only
    needed = [key for key in model.state_dict() if not any(part in key for part in optional)]
    if missing := [key for key in needed if key not in names]:
        raise ValueError(f'{checkpoint} is not of this model: it lacks {len(missing)} of {len(needed)} tensors, '
                         f'{", ".join(missing[:3])}')


def ground(inferencer, path: str, file: Path, args: argparse.Namespace) -> dict:
    """Boxes of one picture, drawn to `file`."""
    from mmdet_ext.visualization.images import read_image

    picture = read_image(path)
    sample, = inferencer(path, texts=args.caption, return_datasamples=True)['predictions']
    inferencer.visualizer.add_datasample(file.stem, picture, sample, draw_gt=False, pred_score_thr=args.threshold,
                                         out_file=str(file))
    found = sample.pred_instances
    found = found[found.scores > args.threshold]
    found = found[found.scores.argsort(descending=True)].cpu()
    boxes = [dict(phrase=phrase, spans=spans, score=round(score, 4), box=[round(side, 1) for side in box])
             for phrase, spans, score, box in zip(found.phrases, found.spans, found.scores.tolist(),
                                                  found.bboxes.tolist(), strict=True)]
    return dict(image=path, caption=args.caption, picture=str(file), boxes=boxes)


def main() -> None:
    args = parse_args()

    # only now, so that --help and wrong arguments are quick
    from mmdet_ext.visualization.images import unique_names

    try:
        args.out.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='dataset_meta or class names')  # it has no classes
            inferencer = build_inferencer(args)
    except SyntaxError as error:
        sys.exit(f'ground.py: {args.config} cannot be read: {error}')
    except (OSError, ValueError, ImportError) as error:
        message = ' '.join(str(error).split())
        named = any(name in message for name in (args.config, args.checkpoint, '--device'))
        sys.exit(f'ground.py: {message}' if named else f'ground.py: {args.config}: {message}')
    except (AttributeError, KeyError, TypeError) as error:  # what mmengine makes of wrong values in a config
        sys.exit(f'ground.py: {args.config}: {type(error).__name__}: {" ".join(str(error).split())}')

    results, skipped = [], []
    for path, name in zip(args.images, unique_names(args.images), strict=True):
        try:
            found = ground(inferencer, path, args.out / f'{name}.png', args)
        except (OSError, ValueError) as error:
            skipped.append(f'{path}: {str(error).removeprefix(f"{path}: ")}')
            continue
        results.append(found)
        for box in () if args.json else found['boxes']:
            print(f'{path}: {box["phrase"]}  {box["score"]:.3f}  {" ".join(map(str, box["box"]))}')
        if not args.json:
            print(f'{path}: {len(found["boxes"])} boxes, drawn in {found["picture"]}')
    if args.json:
        print(json.dumps(results, ensure_ascii=False, indent=1))
    if skipped:
        sys.exit('\n'.join(f'ground.py: skipped {message}' for message in skipped))


if __name__ == '__main__':
    main()
