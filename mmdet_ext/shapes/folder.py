"""The folder of a Shapes set. It is made under a temporary name and then renamed, so that no half of a set is left.

    train/000001.png ...                  also val/ and test/
    annotations/instances_train.json      COCO: boxes and polygons
    annotations/scenes_train.json         the scenes themselves
    annotations/grounding_train.json      MDETR: captions, and which objects their phrases name
    annotations/refexp_train.json         MDETR: expressions that each refer to one object
    annotations/questions_train.json      MDETR: questions with answers
    overview.png                          some images with their annotations drawn
    shapes.json                           the parameters of the set and its counts
"""
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from ..files import replace_file
from .coco import to_coco
from .grounding import to_grounding, to_questions, to_refexp
from .overview import draw_overview
from .render import render_scene
from .sampling import sample_scene
from .scene import Scene

SPLITS = ('train', 'val', 'test')
# To be raised by whatever changes the bytes of a set, so that sets made before are not taken for new ones.
VERSION = 1
_MANIFEST = 'shapes.json'
_IMAGES = 'pictures'  # key of the number of images in the manifest of version 1
_SIDES = (64, 4096)
_OVERVIEW_IMAGES = 12
# Both named, because OpenCV's defaults changed between versions.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]


@dataclass(frozen=True)
class ShapesConfig:
    """The parameters of a set.

    Args:
        train: Number of images, at least 1.
        val: Number of images.
        test: Number of images.
        seed: Any whole number.
        sizes: The (width, height) that an image may have, 64 to 4096 each; shapes grow with the shorter side.
        empty: Fraction of images without any object, in [0, 1).
    """
    train: int = 400
    val: int = 100
    test: int = 100
    seed: int = 0
    sizes: tuple[tuple[int, int], ...] = ((160, 160), (208, 160), (160, 208))
    empty: float = 0.0

    def __post_init__(self) -> None:
        for split, least in zip(SPLITS, (1, 0, 0), strict=True):
            if getattr(self, split) < least:
                raise ValueError(f'{split} should be at least {least}. Got {getattr(self, split)}.')
        if not self.sizes:
            raise ValueError('sizes should name at least one (width, height). Got none.')
        for width, height in self.sizes:
            if not all(_SIDES[0] <= side <= _SIDES[1] for side in (width, height)):
                raise ValueError(f'Both sides of a size should be {_SIDES[0]} to {_SIDES[1]}. Got {width}x{height}.')
        if not 0 <= self.empty < 1:
            raise ValueError(f'empty should be at least 0 and less than 1. Got {self.empty}.')

    def manifest(self) -> dict:
        """The content of `shapes.json`, by which one set is told from another."""
        return dict(format='Shapes', version=VERSION, **{**asdict(self), 'sizes': [list(size) for size in self.sizes]})


class FolderReport(NamedTuple):
    """The folder of a set, its counts by split, whether it was kept, and the files of texts that were added to it."""
    out: Path
    images: dict[str, int]
    objects: dict[str, int]
    kept: bool
    added: tuple[str, ...] = ()


def make_shapes(out: str | Path, config: ShapesConfig, *, force: bool = False, progress: bool = False) -> FolderReport:
    """Make the folder `out`, or keep it if it holds a set of the same parameters and add texts that it lacks.

    Args:
        out: The folder; its parents are made if need be.
        config: Parameters of the set.
        force: Replace a Shapes set that has other parameters or lacks files. Other folders are never replaced.
        progress: Show a progress bar if the output is a terminal.

    Raises:
        FileExistsError: If `out` is no Shapes set, or one that only `force` may replace.
    """
    out = Path(out).resolve()
    if _is_taken(out):
        problem = _difference(out, config)
        if not force:
            if problem is None:
                return _report(out, kept=True)._replace(added=_add_texts(out, config))
            raise FileExistsError(f'{out} {problem}. Use --force (force=True) to replace it, or another folder.')
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f'.{out.name}.partial-', dir=out.parent))
    try:
        # One level deeper than the temporary folder, which is closed to others and would stay so after the move.
        (staging / 'new').mkdir()
        _write(staging / 'new', config, progress)
        if out.exists():
            out.rename(staging / 'old')
        (staging / 'new').rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return _report(out, kept=False)


def load_scenes(path: str | Path) -> list[Scene]:
    """Read a `scenes_*.json`."""
    try:
        return [Scene.from_dict(scene) for scene in json.loads(Path(path).read_text(encoding='utf-8'))['scenes']]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} should hold the scenes of a Shapes set. Got {error!r}.') from error


def _is_taken(out: Path) -> bool:
    """Whether `out` exists and is not an empty folder."""
    return out.exists() and not (out.is_dir() and not any(out.iterdir()))


def _difference(out: Path, config: ShapesConfig) -> str | None:
    """How the set at `out` differs from the one of the config, or None; FileExistsError if it is no Shapes set."""
    manifest = _read_manifest(out)
    for key, value in config.manifest().items():
        if manifest.get(key) != value:
            return f'holds a Shapes set with {key}={manifest.get(key)}, not {value}'
    missing = [name for name in _file_names(config) if not (out / name).is_file()]
    return f'holds a Shapes set that lacks {missing[0]} ({len(missing)} files in all)' if missing else None


def _read_manifest(out: Path) -> dict:
    try:
        manifest = dict(json.loads((out / _MANIFEST).read_text(encoding='utf-8')))
    except (OSError, TypeError, ValueError):
        manifest = {}
    if manifest.get('format') != 'Shapes':
        raise FileExistsError(f'{out} exists and is no Shapes set (it has no {_MANIFEST} that says so). '
                              'Choose another folder.')
    return manifest


def _file_names(config: ShapesConfig) -> list[str]:
    names = ['overview.png']
    for split in SPLITS:
        names += [f'annotations/{kind}_{split}.json' for kind in ('instances', 'scenes')]
        names += [f'{split}/{image_id:06d}.png' for image_id in range(1, getattr(config, split) + 1)]
    return names


def _write(folder: Path, config: ShapesConfig, progress: bool) -> None:
    """Write every file of a set; the manifest comes last."""
    (folder / 'annotations').mkdir()
    counts = {_IMAGES: {}, 'objects': {}}
    disable = None if progress else True  # None: shown in a terminal only
    with tqdm(total=sum(getattr(config, split) for split in SPLITS), unit='image', disable=disable) as bar:
        for split in SPLITS:
            (folder / split).mkdir()
            scenes = []
            for image_id in range(1, getattr(config, split) + 1):
                scenes.append(sample_scene(config.seed, split, image_id, config.sizes, config.empty))
                _write_png(folder / split / scenes[-1].file_name, render_scene(scenes[-1]))
                bar.update()
            if split == 'train':
                _write_png(folder / 'overview.png', draw_overview(scenes[:_OVERVIEW_IMAGES]))
            annotations = folder / 'annotations'
            _write_json(annotations / f'scenes_{split}.json', dict(scenes=[scene.to_dict() for scene in scenes]))
            _write_json(annotations / f'instances_{split}.json', to_coco(scenes))
            counts[_IMAGES][split] = len(scenes)
            counts['objects'][split] = sum(len(scene.objects) for scene in scenes)
    _add_texts(folder, config)
    _write_json(folder / _MANIFEST, config.manifest() | counts)


def _add_texts(folder: Path, config: ShapesConfig) -> tuple[str, ...]:
    """Write the texts that a set lacks, or that have no polygons, and return the names of their files."""
    added = []
    for split in SPLITS:
        names = {f'annotations/grounding_{split}.json': to_grounding, f'annotations/refexp_{split}.json': to_refexp,
                 f'annotations/questions_{split}.json': to_questions}
        missing = {name: make for name, make in names.items() if not _has_texts(folder / name)}
        if missing:
            scenes = load_scenes(folder / 'annotations' / f'scenes_{split}.json')
            coco = json.loads((folder / 'annotations' / f'instances_{split}.json').read_text(encoding='utf-8'))
            for name, make in missing.items():
                _write_json(folder / name, make(scenes, coco, config.seed, split))
        added += missing
    return tuple(added)


def _has_texts(path: Path) -> bool:
    """Whether the file exists and its annotations have polygons."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return b'"tokens_positive":' not in content or b'"segmentation":' in content


def _write_png(path: Path, image: np.ndarray) -> None:
    # Not `cv2.imwrite`, which answers a full disk with False.
    path.write_bytes(cv2.imencode('.png', image, _PNG)[1])


def _write_json(path: Path, content: dict) -> None:
    with replace_file(path) as file:
        file.write(json.dumps(content, separators=(',', ':')).encode() + b'\n')


def _report(out: Path, kept: bool) -> FolderReport:
    manifest = _read_manifest(out)
    return FolderReport(out, manifest[_IMAGES], manifest['objects'], kept)
