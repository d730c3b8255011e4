"""Package mmdet_ext, with its configs and tools under mmdet_ext/.mim, where `mim train mmdet_ext ...` looks."""
import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / 'mmdet_ext'


def link_mim_files() -> None:
    """Make mmdet_ext/.mim out of links to configs, tools and model-index.yml, or of copies where links are not allowed.

    An unpacked source distribution has .mim, and nothing to link to: it stays as it is.
    """
    for name in ('configs', 'tools', 'model-index.yml'):
        source, link = ROOT / name, PACKAGE / '.mim' / name
        if not source.exists():
            continue
        link.parent.mkdir(exist_ok=True)
        if link.is_symlink() or link.is_file():
            link.unlink()
        elif link.is_dir():
            shutil.rmtree(link)
        try:
            link.symlink_to(os.path.relpath(source, link.parent), target_is_directory=source.is_dir())
        except OSError:
            (shutil.copytree if source.is_dir() else shutil.copy)(source, link)


class FreshBuild(build_py):
    """Leave out what an earlier build put into build/lib: mim refuses a config that it finds under two paths."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib, PACKAGE.name), ignore_errors=True)
        super().run()


class EditableWheelForMim(editable_wheel):
    """Let mim find an editable install.

    mim takes the package's folder to be SITE_PACKAGES / (first line of top_level.txt), where an editable install has
    nothing. With the absolute path in that line the same expression gives the checkout.
    """

    def run(self) -> None:
        if self.dist_info_dir is None:
            dist_info = self.reinitialize_command('dist_info')
            dist_info.output_dir = str(self.dist_dir)
            self.run_command('dist_info')
            self.dist_info_dir = dist_info.dist_info_dir
        Path(self.dist_info_dir, 'top_level.txt').write_text(f'{PACKAGE}\n', encoding='utf-8')
        super().run()


def version() -> str:
    scope: dict = {}
    exec((PACKAGE / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


link_mim_files()
setup(
    name='mmdet_ext',
    version=version(),
    description='YOLOv9, YOLO-RD, SMCA-DETR and MDETR for MMDetection 3.x, with parts for any of its detectors',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8') if (ROOT / 'README.md').exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.11',
    packages=find_packages(include=['mmdet_ext', 'mmdet_ext.*']),
    package_data={'mmdet_ext': ['report/templates/*', *(f'.mim/{files}' for files in (
        '**/*.py', '**/*.yml', '**/*.sh', 'model-index.yml'))]},
    zip_safe=False,
    # mmengine, mmcv and mmdet come from distributions of more than one name, so that nobody's is replaced: the extra mm
    # installs them, `import mmdet_ext` checks their versions. requirements.txt holds the versions of the tests.
    install_requires=['torch>=2.6', 'torchvision', 'numpy', 'scipy', 'scikit-learn', 'matplotlib', 'opencv-python',
                      'pillow', 'pycocotools', 'faster-coco-eval>=1.6', 'msgspec>=0.18', 'packaging', 'tabulate',
                      'tqdm', 'supervision>=0.31', 'av', 'pandas', 'psutil', 'pyyaml'],
    extras_require={
        # the published distributions, and mmcv without compiled operators, which those of mmdet_ext stand in for. mmdet
        # refuses mmcv 2.2; mmengine and openmim import pkg_resources; a later openxlab brings a setuptools of 2022
        'mm': ['mmengine>=0.7.1,<1.0', 'mmcv-lite>=2.0.0rc4,<2.2', 'mmdet>=3.0,<4.0', 'openmim', 'openxlab<0.0.12',
               'setuptools<82'],
        # text encoders, and dictionaries from CLIP
        'text': ['transformers>=4.46', 'tokenizers', 'huggingface_hub'],
        'clip': ['open_clip_torch>=3'],
        # roots of expressions, for the builders of MDETR's annotations
        'parser': ['spacy>=3'],
        # mmdet's LVIS data set and metrics
        'lvis': ['lvis>=0.5.3'],
        # the page of a run
        'report': ['seaborn', 'jinja2', 'markupsafe'],
        # files for other programs, and running them
        'export': ['onnx', 'onnxruntime', 'onnxscript', 'openvino'],
        # the page to try a model
        'app': ['gradio>=6'],
        # tracking with mmdet's ByteTrack
        'track': ['lap'],
        'docs': ['mkdocs-material', 'mkdocstrings-python'],
        'tests': ['pytest', 'pytest-xdist', 'ruff', 'playwright', 'yapf'],
    },
    cmdclass={'build_py': FreshBuild, 'editable_wheel': EditableWheelForMim},
)
