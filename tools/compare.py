"""Train several configs one after the other, and compare their AP over epochs.

    python tools/compare.py CONFIG CONFIG [...] [--out DIR] [--metric coco/bbox_mAP] [--train-options KEY=VALUE ...]

Logs and checkpoints of each go to DIR/NAME_OF_CONFIG, the comparison to DIR/comparison.md, .json and .png: the metric
after each validation, and after how many epochs the first config is as good as each other one at its end.
An interrupted comparison goes on where it was when the same command is given again.
"""
import argparse
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mmengine.config import ConfigDict, DictAction

TRAIN = Path(__file__).resolve().with_name('train.py')
POLL = 5  # seconds between two looks at the logs of trainings side by side


class Plan(NamedTuple):
    name: str
    config: str
    work_dir: Path
    train_cfg: ConfigDict

    @property
    def marker(self) -> Path:
        """Says of how many epochs a training was that ended by itself, early or not."""
        return self.work_dir / 'finished'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='two configs or more; the first is compared with '
                        'each of the others')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/compare'), metavar='DIR',
                        help='folder of everything (default: work_dirs/compare)')
    parser.add_argument('--metric', default='coco/bbox_mAP', help='as the logs name it, better the greater it is '
                        '(default: coco/bbox_mAP)')
    parser.add_argument('--train-options', nargs='+', default=[], metavar='KEY=VALUE',
                        help='passed to train.py --cfg-options; for other options take another DIR')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='train N at a time, each with its share of '
                        'the cores (unless OMP_NUM_THREADS is set) and its output in DIR/NAME_OF_CONFIG/train.log '
                        '(default: 1, with its output here)')
    parser.add_argument('--draw-only', action='store_true', help='train nothing: compare what the logs have so far')
    args = parser.parse_args()
    if len(args.configs) < 2:
        parser.error(f'there should be two configs or more to compare, got {args.configs[0]}')
    if args.jobs < 1:
        parser.error(f'--jobs should be at least 1, got {args.jobs}')
    wrong = next((option for option in args.train_options if '=' not in option), None)
    if wrong:
        parser.error(f'--train-options should be KEY=VALUE, got {wrong}')
    return args


def main() -> None:
    args = parse_args()
    try:
        plans = make_plans(args.configs, args.out, args.train_options)
        if not args.draw_only:
            train_all(plans, args.train_options, args.jobs, args.metric)
        write_comparison(plans, args.out, args.metric, partial=args.draw_only)
    except (OSError, ValueError) as error:
        sys.exit(f'compare.py: {error}')


def make_plans(configs: list[str], out: Path, options: list[str]) -> list[Plan]:
    """Read the configs, so that what is wrong with one of them is known before the first is trained."""
    from mmdet_ext import launch  # only now, so that --help and wrong arguments are quick

    parser = argparse.ArgumentParser()
    parser.add_argument('options', nargs='*', action=DictAction)
    plans: dict[str, Plan] = {}
    for config in configs:
        cfg = launch.load_config(config, options=dict(parser.parse_args(options).options or {}))
        name = Path(config).stem
        if name in plans:
            raise ValueError(f'{plans[name].config} and {config} have the same name: both would be trained in '
                             f'{out / name}')
        if 'max_epochs' not in (cfg.get('train_cfg') or {}):
            raise ValueError(f'{config} has no train_cfg.max_epochs: only trainings by epochs are compared')
        plans[name] = Plan(name, config, out / name, cfg.train_cfg)
    return list(plans.values())


def is_finished(plan: Plan) -> bool:
    from mmdet_ext.comparison import read_training_log

    epochs = plan.train_cfg['max_epochs']
    return max(read_training_log(plan.work_dir).validations, default=0) >= epochs or (
        plan.marker.is_file() and plan.marker.read_text() == str(epochs))


def train_all(plans: list[Plan], options: list[str], jobs: int, metric: str) -> None:
    """Train what is not finished, `jobs` at a time. After a failure none is begun, and those that run go on."""
    waiting = []
    for plan in plans:
        if is_finished(plan):
            print(f'{plan.name}: finished already')
        else:
            waiting.append(plan)
    running: dict[str, tuple[Plan, subprocess.Popen]] = {}
    progress: dict[str, str] = {}
    failures = []
    try:
        while running or (waiting and not failures):
            while waiting and not failures and len(running) < jobs:
                plan = waiting.pop(0)
                running[plan.name] = plan, start(plan, options, jobs)
            with suppress(subprocess.TimeoutExpired):
                next(iter(running.values()))[1].wait(timeout=POLL)
            for plan, process in list(running.values()):
                code = process.poll()
                if jobs > 1 and (line := progress_line(plan, metric)) != progress.get(plan.name):
                    progress[plan.name] = line
                    print(line, flush=True)
                if code is not None:
                    del running[plan.name]
                if code:
                    log = output_of(plan, jobs)
                    failures.append(f'the training of {plan.name} failed with exit code {code}: see {log}')
                elif code == 0:
                    plan.marker.write_text(str(plan.train_cfg['max_epochs']))
    except KeyboardInterrupt:
        for _, process in running.values():
            process.terminate()
            process.wait()
        sys.exit('compare.py: interrupted; the same command goes on from there')
    if failures:
        raise ValueError('; '.join(failures))


def start(plan: Plan, options: list[str], jobs: int) -> subprocess.Popen:
    from mmdet_ext.comparison import read_training_log, resume_from

    checkpoint = resume_from(plan.work_dir, read_training_log(plan.work_dir), plan.train_cfg)
    command = [sys.executable, str(TRAIN), plan.config, '--work-dir', str(plan.work_dir), '--resume',
               *([str(checkpoint)] if checkpoint else []), *(['--cfg-options', *options] if options else [])]
    print('$', *(f"'{word}'" if ' ' in word else word for word in command), flush=True)
    plan.work_dir.mkdir(parents=True, exist_ok=True)
    if jobs == 1:
        return subprocess.Popen(command)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    with open(output_of(plan, jobs), 'a') as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                env=dict(OMP_NUM_THREADS=str(max(1, cores // jobs))) | os.environ)


def output_of(plan: Plan, jobs: int) -> Path:
    """The file with what a training printed or, if it printed it here, mmengine's log of it."""
    if jobs > 1:
        return plan.work_dir / 'train.log'
    return max(plan.work_dir.glob('*/*.log'), default=plan.work_dir)  # the folders are named by the time


def progress_line(plan: Plan, metric: str) -> str:
    from mmdet_ext.comparison import metric_label, read_training_log

    log = read_training_log(plan.work_dir)
    values = {epoch: metrics[metric] for epoch, metrics in log.validations.items() if metric in metrics}
    latest = f', {metric_label(metric)} {values[max(values)]:.3f} after epoch {max(values)}' if values else ''
    return f'{plan.name}: epoch {log.epoch} of {plan.train_cfg["max_epochs"]}{latest}'


def write_comparison(plans: list[Plan], out: Path, metric: str, partial: bool) -> None:
    from mmdet_ext.comparison import Run, metric_label, read_training_log, to_json, to_markdown
    from mmdet_ext.visualization.learning_curves import draw_learning_curves

    runs = []
    for plan in plans:
        log = read_training_log(plan.work_dir)
        try:
            curve = log.curve(metric)
        except ValueError as error:
            raise ValueError(f'{plan.work_dir}: {error}') from error
        if curve:
            runs.append(Run(plan.name, curve, plan.train_cfg['max_epochs'], log.minutes_per_epoch))
        elif partial:
            print(f'{plan.name}: no validation yet, left out')
        else:
            raise ValueError(f'{plan.work_dir}: no validation in the logs')
    if not runs:
        raise ValueError(f'{out}: no validation in the logs of {", ".join(plan.name for plan in plans)}')
    table = to_markdown(runs, metric)
    print(f'\n{table}')
    (out / 'comparison.md').write_text(f'{table}\n![](comparison.png)\n')
    (out / 'comparison.json').write_text(to_json(runs, metric))
    draw_learning_curves(runs, out / 'comparison.png', metric_label(metric))
    print(f'wrote {out / "comparison.md"}, .json and .png')


if __name__ == '__main__':
    main()
