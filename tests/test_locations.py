"""What `import mmdet_ext` leaves out, and that every class is found all the same, each time in a fresh process."""
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import mmdet.registry
import pytest
from mmengine.registry import Registry

from mmdet_ext import datasets, engine, evaluation, models, visualization  # noqa: F401  fill `module_dict`
from mmdet_ext.locations import LOCATIONS
from mmdet_ext.operators import in_use

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ('transformers', 'open_clip', 'sklearn', 'matplotlib', 'timm', 'scipy', 'pandas', 'pycocotools', 'torchvision',
         'torch._dynamo', 'mmcv.ops', 'mmengine.runner', 'mmengine.model', 'mmdet.models', 'mmdet.datasets',
         'mmdet.engine', 'mmdet.evaluation', 'mmdet.visualization', 'mmdet.structures')
OTHERS = (*(() if in_use() else ('mmcv.ops', )), 'mmengine.runner', 'mmengine.config', 'mmengine.visualization',
          'torchvision', 'seaborn', 'scipy.optimize', 'pycocotools.coco', 'transformers.models.bert.modeling_bert',
          'torch._dynamo')
MMDET_FIRST = pytest.mark.skipif(in_use(), reason='mmcv has no compiled operators: mmdet_ext has to be imported first')


@pytest.fixture(scope='module')
def our_types() -> dict[str, list[str]]:
    """The names of our classes in each of mmdet's registries."""
    types = {}
    for variable, registry in vars(mmdet.registry).items():
        if isinstance(registry, Registry) and registry.scope == 'mmdet':
            classes = registry.module_dict.items()
            types[variable] = [name for name, cls in classes if cls.__module__.startswith('mmdet_ext')]
    return {variable: names for variable, names in types.items() if names}


def run(*command: object) -> str:
    result = subprocess.run([sys.executable, '-W', 'ignore', *map(str, command)], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=os.environ | dict(PYTHONPATH=str(ROOT)))
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture
def run_forked(tmp_path) -> Callable[[str], str]:
    """Run code in a process that has imported what mmdet and this package import of others, but none of these two."""
    context = get_context('forkserver')
    context.set_forkserver_preload(list(OTHERS))

    def run(code: str) -> str:
        log = tmp_path / 'log'
        start = f'''
import os, sys, warnings
warnings.simplefilter('ignore')
os.chdir({str(ROOT)!r})
sys.path.insert(0, {str(ROOT)!r})
for stream in (1, 2):
    os.dup2(os.open({str(log)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
assert set({OTHERS}) <= set(sys.modules) and not {{'mmdet', 'mmdet_ext'}} & set(sys.modules)
'''
        process = context.Process(target=exec, args=(start + code, dict(__name__='__main__')))
        process.start()
        process.join(300)
        printed = log.read_text()
        assert process.exitcode == 0, printed
        return printed

    return run


def test_nothing_heavy_is_imported():
    out = run('-c', f'import sys, mmdet_ext; print([name for name in {HEAVY} if name in sys.modules])')
    assert out == '[]\n'


def test_mmdet_ext_imports_nothing_that_mmdet_does_not_but_registries_and_the_library_of_mmcv():
    out = run('-c', '''
import sys, mmdet
before = set(sys.modules)
import mmdet_ext
print(sorted(name for name in set(sys.modules) - before if not name.startswith('mmdet_ext')))''')
    assert set(json.loads(out.replace("'", '"'))) <= {'mmcv._ext', 'mmdet.registry', 'packaging.version'}


@MMDET_FIRST
def test_our_parts_import_nothing_heavy_that_mmdets_do_not():
    out = run('-c', '''
import sys, mmdet.models, mmdet.datasets, mmdet.engine, mmdet.evaluation, mmdet.visualization
before = {name.split('.')[0] for name in sys.modules}
from mmdet_ext import datasets, engine, evaluation, models, visualization
after = {name.split('.')[0] for name in sys.modules} - before
print(sorted(after & {'transformers', 'open_clip', 'sklearn', 'matplotlib', 'timm', 'pandas', 'onnx'}))''')
    assert out.endswith('[]\n')


def test_packages_are_attributes_and_others_are_not(run_forked):
    out = run_forked('''
import mmdet_ext
assert not hasattr(mmdet_ext, 'no_such_package')
from mmdet_ext import engine
print(mmdet_ext.engine is engine, mmdet_ext.models.detectors.PGIDetector.__name__)''')
    assert out == 'True PGIDetector\n'


def test_each_registry_of_ours_has_a_location(our_types):
    assert set(our_types) == set(LOCATIONS) and sum(map(len, our_types.values())) > 40


GET = 'getattr(mmdet.registry, variable).get(name)'


@pytest.mark.parametrize('start, look_up', [
    pytest.param('import mmdet_ext', GET, id='at_once'),
    pytest.param('import mmdet_ext', 'getattr(mmdet.registry, variable).root.get("mmdet." + name)', id='from_the_root'),
    pytest.param('register_all_modules(False); import mmdet_ext', GET, id='after_mmdet', marks=MMDET_FIRST),
    pytest.param('[getattr(mmdet.registry, variable).get("x") for variable in ours]; import mmdet_ext', GET,
                 id='after_a_look_up', marks=MMDET_FIRST),
    pytest.param('[getattr(mmdet.registry, variable)._locations.append("late_plugin") for variable in ours]', GET,
                 id='during_a_look_up', marks=MMDET_FIRST),
    pytest.param('from mmdet_ext.models.detectors import MDETR',
                 'in_default_scope(getattr(mmdet.registry, variable).root, name)', id='in_the_default_scope'),
])
def test_every_type_is_found(run_forked, our_types, tmp_path, start, look_up):
    (tmp_path / 'late_plugin.py').write_text('import mmdet_ext')
    out = run_forked(f'''
import sys; sys.path.append({str(tmp_path)!r})
import mmdet.registry
from mmengine.registry import DefaultScope
from mmdet.utils import register_all_modules

def in_default_scope(root, name):
    if not DefaultScope.check_instance_created('test'):
        DefaultScope.get_instance('test', scope_name='mmdet')
    with root.switch_scope_and_registry(None) as registry:  # what build_from_cfg does
        return registry.get(name)

ours = {our_types}
{start}
for variable, names in ours.items():
    for name in names:
        assert {look_up}.__module__.startswith('mmdet_ext.'), name
print('found')''')
    assert out.endswith('found\n')


def test_a_runner_is_built_from_a_config(run_forked, tmp_path):
    out = run_forked(f'''
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile('configs/yolov9/yolov9t_shapes.py')
runner = Runner.from_cfg(Config(dict(cfg, work_dir={str(tmp_path)!r}, log_level='ERROR')))
wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
print(type(runner.model).__name__, type(wrapper).__name__)''')
    assert out.splitlines()[-1] == 'PGIDetector SumOptimWrapper'


@MMDET_FIRST
def test_an_inferencer_is_built_from_a_config(run_forked):
    out = run_forked('''
from mmdet.apis import DetInferencer
inferencer = DetInferencer('configs/yolov9/yolov9t_shapes.py', device='cpu')
print(type(inferencer.model).__name__)''')
    assert out.splitlines()[-1] == 'PGIDetector'


def test_forked_workers_find_types(run_forked):
    out = run_forked('''
from multiprocessing import get_context
import mmdet_ext
from mmdet.registry import TRANSFORMS
hsv = TRANSFORMS.build(dict(type='YOLOHSV', hue=0, saturation=0, value=0))
def show():
    print(type(hsv).__name__, TRANSFORMS.get('YOLOMosaic').__name__, flush=True)
worker = get_context('fork').Process(target=show)
worker.start()
worker.join()''')
    assert out == 'YOLOHSV YOLOMosaic\n'


def test_spawned_workers_find_types(tmp_path, monkeypatch):
    (tmp_path / 'spawned.py').write_text('''
def names(transform):
    from mmdet.registry import TRANSFORMS
    return type(transform).__name__, TRANSFORMS.get('YOLOMosaic').__name__
''')
    monkeypatch.syspath_prepend(tmp_path)
    hsv = mmdet.registry.TRANSFORMS.build(dict(type='YOLOHSV', hue=0, saturation=0, value=0))
    with get_context('spawn').Pool(1) as pool:
        assert pool.apply(import_module('spawned').names, (hsv, )) == ('YOLOHSV', 'YOLOMosaic')
