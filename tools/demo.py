"""Make Shapes, train a small model on it, evaluate it on other images: python tools/demo.py [SYSTEM].

SYSTEM is one of
- yolov9: with a report of the run and an exported file;
- yolo_rd: trains a YOLOv9, builds a dictionary of its features, trains a YOLOv9 with that dictionary;
- mdetr: grounds the phrases of captions;
- mdetr_qa: answers questions;
- mdetr_seg: segments the objects of expressions;
- text_yolov9: finds pairs of colour and shape by words of which no text of the training said them together.
mdetr_qa and mdetr_seg start from the model of mdetr and train it first if it is missing. Data are written to ./data,
all else to ./work_dirs. After an interruption the same command goes on.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from mmdet_ext.command_line import run
from mmdet_ext.compat import replace_removed_functions

ROOT = Path(__file__).resolve().parents[1]
MIN_AP50 = dict(yolov9=0.80, yolo_rd=0.65)  # the second trains twice, for fewer epochs each
# MDETR: recall of phrases, recall of phrases when the captions are shuffled among images, precision of expressions
MIN_RECALL, MAX_CHANCE, MIN_PRECISION = 0.70, 0.35, 0.60
MIN_ACCURACY, MIN_MASK_IOU = 0.70, 0.60
MIN_RATIO, MAX_COST = 2, 1.1  # TextYOLOv9: AP50 over that of the control, cost over that of YOLOv9-T
WORK_DIRS = dict(yolov9='demo', yolo_rd='demo_rd', mdetr='demo_mdetr', mdetr_qa='demo_mdetr_qa',
                 mdetr_seg='demo_mdetr_seg', text_yolov9='demo_text')
TEXT_DATA = Path('data/shapes_text')
ANNOTATIONS = TEXT_DATA / 'annotations'
PAIRS = Path('data/shapes_pairs')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Make Shapes, train a small model on it, evaluate it.')
    parser.add_argument('system', nargs='?', choices=list(WORK_DIRS), default='yolov9',
                        help='yolov9, with a report and an exported file; yolo_rd: without and with a dictionary '
                        "of the first model's features; mdetr: phrases of captions; mdetr_qa: questions; "
                        'mdetr_seg: masks of expressions; text_yolov9: pairs of words that were never said together')
    parser.add_argument('--work-dir', type=Path, metavar='DIR', help='folder of the results (default: work_dirs/demo, '
                        'work_dirs/demo_rd, work_dirs/demo_mdetr, ...)')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options')
    args = parser.parse_args()
    args.work_dir = args.work_dir or Path('work_dirs', WORK_DIRS[args.system])
    return args


def call(tool: str, *arguments: object, processes: int = 1) -> None:
    several = ['-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={processes}'] if processes > 1 else []
    command = [sys.executable, *several, str(ROOT / 'tools' / tool), *map(str, arguments)]
    print('$', *(f"'{word}'" if ' ' in word else word for word in command), flush=True)
    threads = dict(OMP_NUM_THREADS='1') if processes > 1 else {}
    if code := subprocess.call(command, env=threads | os.environ):
        sys.exit(f'demo.py: {tool} failed with exit code {code}')


def train_and_test(config: Path, work_dir: Path, options: list[str]) -> tuple[Path, float]:
    """Train, evaluate and print the result; returns the checkpoint and box AP50."""
    images = (work_dir / 'images').resolve()
    call('train.py', config, '--work-dir', work_dir, '--resume', *(['--cfg-options', *options] if options else []))
    checkpoint = Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())
    metrics = test(config, checkpoint, work_dir / 'test', '--show-dir', images)
    ap50, ap = metrics['coco/bbox_mAP_50'], metrics['coco/bbox_mAP']
    print(f"""
{config.stem}: box AP50 {ap50:.3f}, AP {ap:.3f} on {len(list(images.iterdir()))} held-out images
  images      {images} (truth on the left, prediction on the right)
  report      {(work_dir / 'report' / 'report.html').resolve()}
  checkpoint  {checkpoint.resolve()}
  logs        {work_dir.resolve()}
  metrics     {(work_dir / 'test').resolve()}
  data        {Path('data/shapes').resolve()}""")
    return checkpoint, ap50


def draw_texts() -> None:
    """Make images with captions, expressions and questions, and a tokenizer of these texts."""
    call('data/make_shapes.py', '--train', 3000, '--out', TEXT_DATA)
    folder = Path('data/text/shapes')
    if not (folder / 'config.json').exists():
        files = [ANNOTATIONS / name for name in ('grounding_train.json', 'refexp_train.json')]
        call('data/make_tokenizer.py', '--texts', *files, '--vocab-size', 400, '--dropout', 0, '--out', folder)


def ground(work_dir: Path, options: list[str]) -> None:
    """Train MDETR on captions of Shapes and print its metrics; exit with an error if they are too low."""
    draw_texts()
    config = ROOT / 'configs/mdetr/mdetr_r18_shapes.py'
    checkpoint = train(config, work_dir, options)
    shuffled = (work_dir / 'shuffled.json').resolve()
    call('data/shuffle_captions.py', ANNOTATIONS / 'grounding_test.json', '--out', shuffled)
    images = (work_dir / 'images').resolve()
    key, expression = 'any_box/recall@1_all', 'refexp/shapes_refexp_precision@1'
    recall = test(config, checkpoint, work_dir / 'test', '--show-dir', images)[key]
    chance = test(config, checkpoint, work_dir / 'test_shuffled', '--cfg-options',
                  f'test_dataloader.dataset.ann_file={shuffled}', f'test_evaluator.ann_file={shuffled}')[key]
    precision = test(ROOT / 'configs/mdetr/mdetr_r18_shapes_referring.py', checkpoint, work_dir / 'test_referring')[
        expression]
    print(f"""
{config.stem} on held-out images
  phrases of captions       Recall@1 (any box) {recall:.3f}
  the same, captions shuffled                  {chance:.3f}
  referring expressions     precision@1        {precision:.3f}
  images      {images} (truth on the left, prediction on the right)
  checkpoint  {checkpoint.resolve()}
  data        {TEXT_DATA.resolve()}""")
    if recall < MIN_RECALL or chance > MAX_CHANCE or precision < MIN_PRECISION:
        sys.exit(f'demo.py: wanted at least {MIN_RECALL} of the phrases, at most {MAX_CHANCE} with shuffled captions, '
                 f'at least {MIN_PRECISION} of the expressions')


def grounding_checkpoint() -> str:
    """The checkpoint of the model of `mdetr`, which is trained first if it is missing."""
    folder = Path('work_dirs', WORK_DIRS['mdetr'])
    if not list(folder.glob('test_referring/*/*.json')):  # its last result
        ground(folder, [])
    return (folder / 'last_checkpoint').read_text(encoding='utf-8').strip()


def answer(work_dir: Path, options: list[str]) -> None:
    """Train MDETR on questions about Shapes and print its accuracy; exit with an error if it is too low."""
    from mmdet_ext.evaluation.blind_answers import blind_accuracy  # only now, so that --help is quick

    config = ROOT / 'configs/mdetr/mdetr_r18_shapes_qa.py'
    checkpoint = train(config, work_dir, [f'load_from={grounding_checkpoint()}', *options])
    metrics = test(config, checkpoint, work_dir / 'test')
    blind = blind_accuracy(str(ANNOTATIONS / 'questions_train.json'), str(ANNOTATIONS / 'questions_test.json'))
    kinds = [name for name in blind if f'clevr/{name}' in metrics]  # that of all questions comes first
    rows = '\n'.join(f'  {name:28}{metrics[f"clevr/{name}"]:9.3f}{blind[name]:9.3f}' for name in kinds)
    print(f"""
{config.stem} on held-out images
  {"":28}{"answered":>9}{"blind":>9}    (blind: without the image)
{rows}
  checkpoint  {checkpoint.resolve()}
  data        {TEXT_DATA.resolve()}""")
    if metrics['clevr/accuracy'] < MIN_ACCURACY:
        sys.exit(f'demo.py: wanted at least {MIN_ACCURACY} of the answers')


def segment(work_dir: Path, options: list[str]) -> None:
    """Train the mask head on the frozen model of `mdetr` and print its metrics; exit with an error if they are low."""
    config = ROOT / 'configs/mdetr/mdetr_r18_shapes_seg.py'
    checkpoint = train(config, work_dir, [f'load_from={grounding_checkpoint()}', *options])
    images = (work_dir / 'images').resolve()
    metrics = test(config, checkpoint, work_dir / 'test', '--show-dir', images)
    mean_iou = metrics['phrasecut/mean_iou']
    print(f"""
{config.stem} on held-out images
  masks of expressions      mean IoU           {mean_iou:.3f}
                            precision@0.5      {metrics['phrasecut/precision@0.5']:.3f}
  images      {images} (truth on the left, prediction on the right)
  checkpoint  {checkpoint.resolve()}
  data        {TEXT_DATA.resolve()}""")
    if mean_iou < MIN_MASK_IOU:
        sys.exit(f'demo.py: wanted a mean IoU of at least {MIN_MASK_IOU}')


def ask(work_dir: Path, options: list[str]) -> None:
    """Train TextYOLOv9 without some pairs of colour and shape, and a control on shuffled texts; print how well each
    finds these pairs, and what the network costs; exit with an error if it finds too few or costs too much."""
    draw_texts()
    if not (PAIRS / 'names.txt').exists():
        call('data/leave_out_pairs.py', '--data', TEXT_DATA, '--out', PAIRS)
    config = ROOT / 'configs/text_yolov9/text_yolov9t_shapes_pairs.py'
    left_out, shown = (class_names(PAIRS / f'instances_{kind}.json') for kind in ('left_out', 'shown'))
    datasets = 'train_dataloader.dataset.datasets'
    shuffled = [f'{datasets}.{number}.dataset.ann_file={PAIRS}/shuffled_{kind}.json'
                for number, kind in enumerate(('names', 'captions'))]
    train_side_by_side(config, {work_dir / 'words': options, work_dir / 'control': [*shuffled, *options]})
    others = work_dir / f'{config.stem}_shown.py'
    dataset = dict(ann_file=f'{PAIRS}/instances_shown.json', metainfo=dict(classes=tuple(shown)))
    others.write_text(f'_base_ = {str(config)!r}\ntest_dataloader = dict(dataset={dataset})\n')
    ap50 = {}
    for name in ('words', 'control'):
        checkpoint = Path((work_dir / name / 'last_checkpoint').read_text(encoding='utf-8').strip())
        ap50[name] = [test(asked, checkpoint, work_dir / name / f'test_{kind}')['coco/bbox_mAP_50']
                      for kind, asked in dict(left_out=config, shown=others).items()]
    checkpoint = Path((work_dir / 'words/last_checkpoint').read_text(encoding='utf-8').strip())
    deployed = work_dir / 'deployed.pth'
    call('deploy.py', config, checkpoint, deployed, '--classes', ', '.join(left_out), '--size', 160)
    ratio, cost = ap50['words'][0] / max(ap50['control'][0], 1e-9), cost_over_yolov9(config, checkpoint, left_out)
    rows = '\n'.join(f'  {name:34}{unseen:>10.3f}{seen:>10.3f}' for name, (unseen, seen) in ap50.items())
    costs = '\n'.join(f'  {name:34}' + ''.join(f'{value:>12.3f}' for value in values) for name, values in cost.items())
    print(f"""
{config.stem}: box AP50 on images of which none was trained on
  {"":34}{"left out":>10}{"others":>10}    (pairs of colour and shape)
{rows}
  ratio                             {ratio:>10.1f}
cost of {len(left_out)} classes, over that of YOLOv9-T
  {"":34}{"parameters":>12}{"FLOPs":>12}{"time":>12}
{costs}
  checkpoint  {checkpoint.resolve()}
  deployed    {deployed.resolve()}
  data        {PAIRS.resolve()}""")
    asked, fixed = cost.values()
    if ratio < MIN_RATIO or max(*asked[:2], *fixed) > MAX_COST:  # the time of the first varies from call to call
        sys.exit(f'demo.py: wanted at least {MIN_RATIO} times the AP50 of the control, at most {MAX_COST} of the cost')


def train_side_by_side(config: Path, options: dict[Path, list[str]]) -> None:
    """Train a config once for each folder, with options of its own, all at the same time; their messages go to
    FOLDER.log."""
    processes = {}
    environment = dict(dict(OMP_NUM_THREADS=str(max((os.cpu_count() or 1) // len(options), 1))), **os.environ)
    for work_dir, values in options.items():
        work_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / 'tools/train.py'), str(config), '--work-dir', str(work_dir), '--resume',
                   *(['--cfg-options', *map(str, values)] if values else [])]
        log = work_dir.with_suffix('.log')
        print('$', *command[1:], '>>', log, flush=True)
        with open(log, 'a', encoding='utf-8') as file:
            processes[log] = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    failed = [log for log, process in processes.items() if process.wait()]
    if failed:
        sys.exit(f'demo.py: train.py failed, see {" and ".join(map(str, failed))}')


def class_names(file: Path) -> list[str]:
    return [category['name'] for category in json.loads(file.read_text(encoding='utf-8'))['categories']]


def cost_over_yolov9(config: Path, checkpoint: Path, classes: list[str]) -> dict[str, tuple[float, ...]]:
    """Parameters, FLOPs and time for an image of 640 pixels over those of YOLOv9-T: as trained, and deployed."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules

    from mmdet_ext import launch
    from mmdet_ext.deployment import deploy, load_for_deployment, with_classes
    from mmdet_ext.experiments.costs import costs

    register_all_modules(init_default_scope=True)
    cfg = launch.load_config(str(config))
    asked = load_for_deployment(cfg, checkpoint)
    _, plain = with_classes(cfg, asked, classes)
    plain_cfg = launch.load_config(str(ROOT / 'configs/yolov9/yolov9t_shapes.py'), options=dict(classes=classes)).model
    yolov9 = MODELS.build(plain_cfg).eval()
    measured = costs(dict(yolov9=yolov9, asked=asked, yolov9_deployed=deploy(yolov9), deployed=deploy(plain)), 640)
    return {'asked for words': measured['asked'].over(measured['yolov9']),
            'deployed for these words': measured['deployed'].over(measured['yolov9_deployed'])}


def train(config: Path, work_dir: Path, options: list[str]) -> Path:
    """Train in one process, or on a CPU in two with half the batch, which is faster than two threads."""
    import torch  # only now, so that --help is quick
    from mmengine.config import Config

    if torch.cuda.is_available() or (os.cpu_count() or 1) < 2:
        call('train.py', config, '--work-dir', work_dir, '--resume', *(['--cfg-options', *options] if options else []))
        return Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())
    os.environ.setdefault('GLIBC_TUNABLES', 'glibc.malloc.hugetlb=1')  # large pages: a tenth to a third of the time
    replace_removed_functions()
    batch = Config.fromfile(config).train_dataloader.batch_size
    halves = [f'train_dataloader.batch_size={batch // 2}', 'train_dataloader.num_workers=0',
              'train_dataloader.persistent_workers=False']
    call('train.py', config, '--launcher', 'pytorch', '--work-dir', work_dir, '--resume', '--cfg-options', *halves,
         *options, processes=2)
    return Path((work_dir / 'last_checkpoint').read_text(encoding='utf-8').strip())


def test(config: Path, checkpoint: Path, work_dir: Path, *arguments: object) -> dict[str, float]:
    """Evaluate with the metrics of the config."""
    call('test.py', config, checkpoint, '--work-dir', work_dir, *arguments)
    newest = max(work_dir.glob('*/*.json'))  # folders and files are named by the time
    return json.loads(newest.read_text(encoding='utf-8'))


def main() -> None:
    args = parse_args()
    start = time.monotonic()
    if args.system in (systems := dict(mdetr=ground, mdetr_qa=answer, mdetr_seg=segment, text_yolov9=ask)):
        try:
            systems[args.system](args.work_dir, args.train_options)
        finally:
            print(f'  time        {(time.monotonic() - start) / 60:.1f} minutes')
        return
    config = ROOT / 'configs/yolov9/yolov9t_shapes.py'
    call('data/make_shapes.py', '--out', 'data/shapes')
    if args.system == 'yolov9':
        checkpoint, ap50 = train_and_test(config, args.work_dir, args.train_options)
        exported = args.work_dir / f'{config.stem}.onnx'
        if not exported.exists() or exported.stat().st_mtime < checkpoint.stat().st_mtime:
            call('export.py', config, checkpoint, '--dynamic-size', '--out', exported)
        print(f'  exported    {exported.resolve()}')
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
        call('build_dictionary.py', 'vision', '--config', config, '--checkpoint', checkpoint, '--atoms', 128,
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
    """The number of parameters without the auxiliary branch, which exists in training only."""
    import torch  # only now, so that --help is quick

    from mmdet_ext.compat import allow_mmengine_checkpoints

    allow_mmengine_checkpoints()
    weights = torch.load(checkpoint, map_location='cpu')['state_dict']
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    return sum(value.numel() for key, value in weights.items()
               if not key.startswith('aux_head.') and not key.endswith(statistics))


if __name__ == '__main__':
    run(main, interrupted='interrupted; the same command goes on')
