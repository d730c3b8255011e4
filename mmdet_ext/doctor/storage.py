"""Checks of the disk: folders that must be writable, and files that are there without a network."""
import os
import shutil
import tempfile
from pathlib import Path

from .finding import Finding, State

GROUP = 'Files'
LEAST_SPACE = 2 << 30
TEXT_ENCODERS = {  # by what asks for it
    'roberta-base': 'MDETR on ResNet-101 and EfficientNet',
    'distilroberta-base': 'MDETR on ResNet-18 (CLEVR)',
}
LOAD = """python -c "from mmengine.runner import CheckpointLoader as c; c.load_checkpoint('torchvision://{}')\""""
BACKBONES = {'resnet18': 'SMCA and MDETR on Shapes and coco128', 'resnet50': 'SMCA', 'resnet101': 'SMCA and MDETR'}


def folders() -> list[Finding]:
    """Folders that this package, torch, transformers and matplotlib write to."""
    import torch

    home = Path.home()
    caches = {
        'current folder': (Path.cwd(), 'run in another folder, or give --work-dir'),
        'temporary files': (Path(tempfile.gettempdir()), 'export TMPDIR=FOLDER'),
        'weights of torchvision': (Path(torch.hub.get_dir()), 'export TORCH_HOME=FOLDER'),
        'Hugging Face cache': (Path(os.environ.get('HF_HOME', home / '.cache/huggingface')), 'export HF_HOME=FOLDER'),
        'matplotlib': (Path(os.environ.get('MPLCONFIGDIR', home / '.config/matplotlib')),
                       'export MPLCONFIGDIR=FOLDER'),
    }
    return [_folder(name, path, remedy) for name, (path, remedy) in caches.items()]


def text_encoders() -> list[Finding]:
    """Text encoders that our configs name: whether they are there without a network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return []
    findings = []
    for name, user in TEXT_ENCODERS.items():
        folder = Path(name)
        cached = folder.is_dir() or isinstance(try_to_load_from_cache(name, 'config.json'), str)
        findings.append(
            Finding(GROUP, name, State.OK, f'there, for {user}') if cached else
            Finding(GROUP, name, State.MISSING, f'not in the cache; loaded from the network for {user}',
                    f'hf download {name} --local-dir data/text/{name}, then '
                    f'--cfg-options model.text_encoder.name=data/text/{name}'))
    return findings


def backbones() -> list[Finding]:
    """Weights of torchvision's backbones that training begins with: whether they are there without a network."""
    import torch

    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    findings = []
    for name, user in BACKBONES.items():
        cached = sorted(folder.glob(f'{name}-*.pth'))
        findings.append(
            Finding(GROUP, f'{name} of torchvision', State.OK, str(cached[-1])) if cached else
            Finding(GROUP, f'{name} of torchvision', State.MISSING,
                    f'not in {folder}; loaded from the network for {user}', LOAD.format(name)))
    return findings


def _folder(name: str, path: Path, remedy: str) -> Finding:
    """Whether a file can be written into a folder, or into the nearest folder above it that exists."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding(GROUP, name, State.ERROR, f'{path} is not writable: {error.strerror}', remedy)
    free = shutil.disk_usage(existing).free
    text = f'{path}, {free / (1 << 30):.1f} GiB free'
    return Finding(GROUP, name, State.OK if free >= LEAST_SPACE else State.WARNING, text,
                   '' if free >= LEAST_SPACE else f'free some space, or {remedy}')
