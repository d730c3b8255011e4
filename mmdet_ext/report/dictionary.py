"""What a run's Retriever-Dictionaries do: how much each atom is used, and what the most used ones stand for."""
import copy
from collections.abc import Iterator
from pathlib import Path

import torch
from mmcv.transforms import Compose
from mmdet.registry import DATASETS
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from ..dictionary.compressed_files import load_trained
from ..dictionary.usage import effective_number, find_dictionaries, measure_usage
from ..models.layers.atoms import rd_options
from ..predict.loading import choose_device, read_config
from ..visualization.dictionary.capture import Probe
from ..visualization.dictionary.plots import draw_gram, draw_ranked
from ..visualization.dictionary.query import draw_query, query_at
from ..visualization.dictionary.training_set import atoms_of, look_at_training_set
from .section import Figure, Section, Table

USAGE_IMAGES = 50
SURVEY = 40  # training images on which samples of atoms are looked for, where no atoms file has them
QUERIES = 2  # images of which a position is looked at
IDLE = 0.01  # of the mean usage: less is called unused


def dictionary_section(cfg: Config, checkpoint: Path, split: str, folder: Path) -> Section | None:
    """Usage and likeness of the atoms on images of a data set, drawn into `folder`; None without a dictionary."""
    if not any(True for _ in rd_options(cfg.model)):
        return None
    cfg = read_config(cfg)
    model = load_trained(cfg, checkpoint).to(choose_device(None))
    usages = measure_usage(model, _batches(cfg, split))
    figures, rows = [], []
    for number, (name, usage) in enumerate(usages.items(), 1):
        figures.append(_usage(name, usage, folder / f'usage_{number}.png'))
        path = folder / f'atoms_alike_{number}.png'
        draw_gram(find_dictionaries(model)[name].atoms.detach().cpu().float(), path)
        figures.append(Figure(path, f'{name}: how alike the atoms are', 'The cosine of each pair of atoms as a matrix, '
                              'and how often each value occurs.'))
        rows.append([name, len(usage), effective_number(usage), int((usage < IDLE * usage.mean()).sum())])
    figures += _queries(cfg, Probe(model, next(iter(usages)), Compose(get_test_pipeline_cfg(cfg))), split, folder)
    header = ('dictionary', 'atoms', 'effective number', f'used under {IDLE:.0%} of the mean')
    name = dict(val='validation').get(split, split)
    text = (f'How much each atom is used: the mean magnitude of its normalised coefficients on the first '
            f'{USAGE_IMAGES} {name} images. The effective number is that of equally used atoms with the same entropy. '
            '`tools/visualize_dictionary.py` looks at other images and atoms.')
    return Section('dictionary', 'The dictionary', text, figures, [Table('Dictionaries', header, rows)])


def _batches(cfg: Config, split: str) -> Iterator[dict]:
    dataset = DATASETS.build(copy.deepcopy(cfg[f'{split}_dataloader'].dataset))
    dataset.full_init()
    for index in range(min(USAGE_IMAGES, len(dataset))):
        yield pseudo_collate([dataset[index]])


def _usage(name: str, usage: Tensor, path: Path) -> Figure:
    order = usage.argsort(descending=True).tolist()
    most, least = (', '.join(map(str, atoms)) for atoms in (order[:5], order[-5:]))
    number = effective_number(usage)
    draw_ranked(usage.numpy(), path, f'{number:.1f} of {len(usage)} atoms effective', 'atoms by usage', "mean |c'|",
                line=usage.mean().item(), name=f'mean {usage.mean():.2f}')
    return Figure(path, f'{name}: usage of the atoms',
                  f'{number:.1f} of {len(usage)} atoms are effective. The most used are {most}, the '
                  f'least used {least}.')


def _queries(cfg: Config, probe: Probe, split: str, folder: Path) -> Iterator[Figure]:
    """Positions of some images, with samples of the atoms that have the most to do with them."""
    dataset = DATASETS.build(copy.deepcopy(cfg[f'{split}_dataloader'].dataset))
    dataset.full_init()
    atoms = atoms_of(probe.rd, None)
    provenance, _, _ = look_at_training_set(cfg, probe, atoms, 0 if atoms else SURVEY, 0)
    for number in range(min(QUERIES, len(dataset))):
        capture = probe(dataset.get_data_info(number)['img_path'])
        with torch.no_grad():
            query = query_at(capture, probe.rd, capture.best_centre(), provenance, show=None, top=3, folded=False)
        path = folder / f'atoms_{number + 1}.png'
        draw_query(capture, query, provenance.nearest, path)
        yield Figure(path, f'Atoms of {capture.path.name}', 'The coefficients at the middle of the detection with the '
                     'highest score, and samples of the atoms that have the most and the least to do with it. '
                     f'{provenance.note}')
