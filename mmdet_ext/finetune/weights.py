"""The weights that a training begins with."""
import os
from pathlib import Path
from urllib.error import URLError

from ..checkpoints import (SYSTEMS, CheckpointError, check_conversion, convert_with_report, read_checkpoint,
                           write_checkpoint)
from ..checkpoints.load import read_weights
from .models import Model

NONE = 'none'
HERE = '{{ fileDirname }}/'  # mmengine's name of the folder of a config, with which a run may be moved


def beginning(model: Model, weights: str | None, folder: Path) -> tuple[str | None, str]:
    """The file to load, or None, and a sentence that says what the training begins with.

    A published file is converted to ``FOLDER/weights.pth``. Without a file, the weights of a pre-trained backbone are
    looked for, and downloaded where there is a network, so that the training does not fail after the preparation of
    the data.

    Args:
        model: The model.
        weights: A file, `NONE` for random weights everywhere, or None.
        folder: Of the run.

    Raises:
        OSError: The file is missing, or the backbone's weights cannot be downloaded.
        ValueError: The file is no checkpoint, or not one of this model's system.
    """
    if weights not in (None, NONE):
        return _converted(model, Path(weights).expanduser(), folder)
    if weights == NONE or not model.weights:
        return None, f'{model.name} begins with random weights'
    try:
        read_weights(model.weights)
    except (OSError, URLError) as error:
        raise OSError(
            f'{model.name} begins with the weights {model.weights} of ImageNet, which cannot be downloaded ({error}). '
            f'On a machine with a network `python -c "import torchvision; torchvision.models.'
            f'{model.weights.partition("://")[2]}(weights=\'IMAGENET1K_V1\')"` puts the file into '
            '~/.cache/torch/hub/checkpoints, from where it can be copied. Or give --weights FILE, or --weights none '
            'for random weights, which need many more images') from error
    return None, f'{model.name} begins with the backbone of {model.weights} (ImageNet); all else is random'


def _converted(model: Model, file: Path, folder: Path) -> tuple[str, str]:
    systems = [model.published, *(['yolov9'] if model.published == 'yolo_rd' else [])]
    reasons = []
    for system in systems:
        try:
            published = read_checkpoint(file)
            conversion = convert_with_report(system, published.state_dict)
            check_conversion(conversion)
        except (CheckpointError, ValueError) as error:
            reasons.append(f'{system}: {error}')
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(folder / 'weights.pth', conversion, published)
        return HERE + 'weights.pth', (f'{model.name} begins with the published weights {file} '
                                             f'({conversion.recipe.model}), converted to {folder / "weights.pth"}')
    try:
        names = read_weights(file).state_dict
    except ValueError as error:
        raise ValueError(f'--weights: {file} is neither a checkpoint of this package ({error}) nor a published one '
                         f'({"; ".join(reasons)})') from error
    if not any(name.startswith('backbone.') for name in names):
        raise ValueError(f'--weights: {file} is no checkpoint of {model.name}. As a published one: '
                         f'{"; ".join(reasons)}. `python tools/convert_checkpoint.py SYSTEM {file} OUT.pth` converts '
                         f'files of {", ".join(SYSTEMS)}')
    return os.path.abspath(file), f'{model.name} begins with the weights of {file}'
