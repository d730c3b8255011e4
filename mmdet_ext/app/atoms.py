"""The atoms of a Retriever-Dictionary at a box (YOLO-RD, https://arxiv.org/abs/2410.15346), and what they stand for."""
import json
import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property, lru_cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmcv.transforms import Compose
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from torch import Tensor

from ..dictionary.compressed_files import load_trained
from ..dictionary.sources.image_set import named_files
from ..dictionary.usage import find_dictionaries
from ..files import replace_file
from ..fingerprints import digest, digest_weights
from ..models.layers.atoms import forget_atoms_files, rd_options
from ..visualization.dictionary.capture import Capture, Probe
from ..visualization.dictionary.query import select_atoms
from ..visualization.dictionary.training_set import Provenance, atoms_of, look_at_training_set
from ..visualization.images import crop_around, read_image
from ..visualization.style import DIVERGING
from .heat import data_uri, heat, raster_shape

SURVEY = 100  # training images in which patches are looked for
_SHOWN_ATOMS, _SHOWN_PATCHES = 4, 4


class AtomAtBox(NamedTuple):
    """An atom, and its mean coefficient c' over the cells of a box."""
    number: int
    coefficient: float


class AtomsView:
    """The first dictionary of a detector, and samples of its atoms.

    Args:
        cfg: The config; its file of atoms may be missing.
        checkpoint: The checkpoint.
        device: Where the model runs.
        cache: Folder of the samples that were looked for; by default below `$XDG_CACHE_HOME` or `~/.cache`.

    Raises:
        OSError: The checkpoint is missing.
        ValueError: It does not fit the config.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, device: torch.device, cache: Path | None = None) -> None:
        self.cfg = deepcopy(cfg)
        if any(isinstance(options.get('atoms'), str) and not Path(options['atoms']).is_file()
               for options in rd_options(cfg.model)):
            forget_atoms_files(self.cfg.model)
        model = load_trained(self.cfg, checkpoint).to(device)
        self.probe = Probe(model, next(iter(find_dictionaries(model))), Compose(get_test_pipeline_cfg(cfg)))
        self._cache = cache or Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'mmdet_ext', 'atoms')
        self.capture: Callable[[Path], Capture] = lru_cache(maxsize=4)(self.probe)

    @cached_property
    def _file(self) -> Path:
        """Where samples are kept: another file for other weights, training images or numbers of them."""
        files = [str(path.resolve()) for pair in named_files(self.cfg, 'train') for path in pair]
        return self._cache / f'{digest([digest_weights(self.probe.model), str(SURVEY), *files])[:24]}.json'

    def samples(self) -> Provenance | None:
        """The samples that are known: those that were looked for before, or those of the config's file of atoms."""
        try:
            return Provenance(**json.loads(self._file.read_text(encoding='utf-8')))
        except (OSError, ValueError, TypeError):  # not there, or not complete
            pass
        atoms = atoms_of(self.probe.rd, None)
        return None if atoms is None else look_at_training_set(self.cfg, self.probe, atoms, 0, 0)[0]

    def missing(self) -> str:
        """What lacks to look for samples, as a sentence; '' if nothing does."""
        pairs = named_files(self.cfg, 'train')
        if not pairs:
            return 'The config names no training images.'
        absent = [str(path) for pair in pairs for path in pair if not path.exists()]
        return f'The training images are not here: there is no {absent[0]}.' if absent else ''

    def find_samples(self, progress: Callable[[float], None] = lambda share: None) -> Provenance:
        """Look for samples in the training images, and keep them on the disk.

        Raises:
            OSError: The training set is not there.
            ValueError: None of its images can be read.
        """
        count = 0

        def probe(path: str) -> Capture:
            nonlocal count
            count += 1
            progress(count / SURVEY)
            return self.probe(path)

        provenance, _, skipped = look_at_training_set(self.cfg, probe, None, SURVEY, 0)
        if provenance.nearest is None:
            raise ValueError(f'None of the training images can be read: {"; ".join(skipped[:2])}')
        self._cache.mkdir(parents=True, exist_ok=True)
        with replace_file(self._file) as file:
            file.write(json.dumps(dict(nearest=provenance.nearest, note=provenance.note)).encode())
        return provenance


def atoms_at(capture: Capture, box: Sequence[float], count: int = _SHOWN_ATOMS) -> list[AtomAtBox]:
    """The atoms with the highest mean coefficients over the cells whose centres lie in a box, or over the cell in its
    middle if there are none.

    Args:
        capture: The image, and what the dictionary did with it.
        box: x1, y1, x2, y2 in pixels of the image.
        count: Atoms at most; those with coefficients that are not above 0 are left out.
    """
    means = capture.coefficients[:, cells_in(capture, box)].mean(dim=1)
    related = select_atoms(means, None, count)['related atoms']
    return [AtomAtBox(number, means[number].item()) for number in related]


def cells_in(capture: Capture, box: Sequence[float]) -> Tensor:
    """(H, W) bool, at least one of them True."""
    areas = capture.grid.areas()
    centres = (areas[..., :2] + areas[..., 2:]) / 2
    x1, y1, x2, y2 = box
    inside = ((centres > centres.new_tensor([x1, y1])) & (centres < centres.new_tensor([x2, y2]))).all(dim=-1)
    inside &= capture.grid.inside()
    if not inside.any():
        height, width = capture.grid.size
        middle = min(max((x1 + x2) / 2, 0), width - 1), min(max((y1 + y2) / 2, 0), height - 1)
        inside[capture.grid.cell_at(*middle)] = True
    return inside


def atoms_html(capture: Capture, box: Sequence[float], title: str, provenance: Provenance | None) -> str:
    """The atoms at a box: number, coefficient, a map of its coefficients over the image, and its samples."""
    atoms = atoms_at(capture, box)
    if not atoms:
        return f'<p>No atom has a coefficient above 0 at {escape(title)}.</p>'
    limit = capture.coefficients[[atom.number for atom in atoms]][:, capture.grid.inside()].abs().max().item() or 1.
    head = (f"<p>{escape(title)}: the {len(atoms)} atoms with the highest coefficients c' there, mean over the box. "
            f'{escape(provenance.note) if provenance else ""}</p>')
    return head + ''.join(_atom_html(capture, atom, limit, provenance) for atom in atoms)


def _atom_html(capture: Capture, atom: AtomAtBox, limit: float, provenance: Provenance | None) -> str:
    values = capture.grid.resample(capture.coefficients[atom.number][None], raster_shape(capture.grid.size))[0]
    source = data_uri(heat(capture.image, values.numpy(), DIVERGING, -limit, limit))
    samples = provenance.nearest[atom.number][:_SHOWN_PATCHES] if provenance and provenance.nearest else ()
    return (f'<div class="atom"><div class="name"><b>atom {atom.number}</b><br>c\' {atom.coefficient:.2f}</div>'
            f'<figure><img src="{source}" alt="coefficients of atom {atom.number} over the image">'
            f'<figcaption>in this image</figcaption></figure>{"".join(map(_sample_html, samples))}</div>')


def _sample_html(sample: Mapping[str, Any]) -> str:
    value = f'c\' {sample["coefficient"]:.2f}' if 'coefficient' in sample else f'cos {sample["similarity"]:.2f}'
    if 'image' not in sample:
        text = sample.get('text') or f'row {sample.get("row")} of {Path(sample["file"]).name}'
        return f'<figure><div class="words">{escape(text[:120])}</div><figcaption>{value}</figcaption></figure>'
    name = escape(Path(sample['image']).name)
    try:
        crop, (left, top) = crop_around(read_image(sample['image']), sample['box'])
    except (OSError, ValueError):
        return f'<figure><div class="words">{name} cannot be read</div><figcaption>{value}</figcaption></figure>'
    height, width = crop.shape[:2]
    x1, y1, x2, y2 = sample['box']
    place = (f'left:{100 * (x1 - left) / width:.1f}%;top:{100 * (y1 - top) / height:.1f}%;'
             f'width:{100 * (x2 - x1) / width:.1f}%;height:{100 * (y2 - y1) / height:.1f}%')
    return (f'<figure><div class="patch"><img src="{data_uri(crop, ".png", 220)}" alt="patch of {name}">'
            f'<span style="{place}"></span></div><figcaption>{value}<br>{name}</figcaption></figure>')
