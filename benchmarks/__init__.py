"""What `tools/benchmark.py` measures: forms of one computation, and this checkout against another one."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FORMS = ('deployment', 'loss', 'loss-100', 'loss-1000', 'dictionary', 'dictionary-module', 'modulation',
         'modulation-large', 'prompts', 'prompted-detection', 'text-cache', 'prediction', 'figures', 'captions',
         'annotations', 'training-images', 'imports', 'threads', 'threads-large', 'threads-busy', 'combination')
STEPS = ('step-yolov9t', 'step-yolov9c', 'step-yolov9c-rd', 'step-smca', 'step-mdetr')
WORKLOADS = (*STEPS, 'assign-20', 'assign-100', 'assign-1000', 'smca-decoder', 'predict-yolov9t', 'training-images',
             'figures', 'captions', 'annotations', 'import')


def check_package(root: Path) -> None:
    """Raise a ValueError unless `mmdet_ext` is imported from the checkout at `root`."""
    import mmdet_ext

    if Path(mmdet_ext.__file__).resolve().parents[1] != root.resolve():
        raise ValueError(f'mmdet_ext is imported from {mmdet_ext.__file__}, not from {root}: set PYTHONPATH={root}')
