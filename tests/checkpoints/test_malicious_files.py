"""Files that try to run something, or to use up the machine. What they would run is harmless, and must not happen."""
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import pytest
import torch
import torch.nn as nn
from checkpoints.published_files import original_packages
from mmdet_ext.checkpoints import CheckpointError, read_checkpoint
from mmdet_ext.unpickler import RestrictedUnpickler, StandIn

NAMES = [
    'os.system', 'posix.system', 'nt.system', 'subprocess.Popen', 'builtins.eval', 'builtins.exec', 'builtins.getattr',
    'builtins.setattr', 'builtins.open', 'builtins.__import__', '__builtin__.eval', 'builtins.object',
    'functools.partial', 'functools.reduce', 'operator.attrgetter', 'operator.methodcaller', 'importlib.import_module',
    'runpy.run_path', 'pickle.loads', 'torch.load', 'torch.hub.load', 'torch.jit.load',
    'torch.storage._load_from_bytes', 'torch._utils._import_dotted_name', 'torch._dynamo.eval', 'numpy.load',
    'numpy.testing._private.utils.runstring', 'copyreg.add_extension', 'collections.namedtuple', 'types.FunctionType',
    'webbrowser.open', 'code.interact', 'modelsX.common', 'sys.modules'
]


class Call:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function, *args) -> None:
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def zip_file(path, data: bytes, records=(), compression=zipfile.ZIP_STORED) -> None:
    """The archive that torch.save makes, with this pickle."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr('archive/data.pkl', data)
        for name, content in dict(records).items():
            archive.writestr(f'archive/{name}', content)


def call_of(name: str, argument: str) -> bytes:
    """A pickle that calls `name` with one string."""
    module, _, function = name.rpartition('.')
    text = argument.encode()
    return (b'\x80\x02' + f'c{module}\n{function}\n'.encode() + b'X' + struct.pack('<I', len(text)) + text + b'\x85R.')


@pytest.mark.parametrize('name', NAMES)
def test_a_call_of_something_unknown_is_refused_and_named(tmp_path, name):
    marker = tmp_path / 'marker'
    zip_file(tmp_path / 'file.pt', call_of(name, f'touch {marker}'))
    with pytest.raises(CheckpointError, match=rf'file\.pt: refused.* {name.replace("__builtin__", "builtins")}'):
        read_checkpoint(tmp_path / 'file.pt')
    assert not marker.exists()


@pytest.mark.parametrize('options', [{}, dict(_use_new_zipfile_serialization=False)], ids=['zip', 'stream'])
def test_a_call_hidden_in_a_module_is_refused(tmp_path, options):
    marker = tmp_path / 'marker'
    with original_packages() as classes:
        module = classes['DetectionModel']()
        module.conv = nn.Conv2d(1, 1, 1)
        module.yaml = dict(anchors=[Call(exec, f"open({str(marker)!r}, 'w')")])
        torch.save(dict(model=module, ema=None), tmp_path / 'file.pt', **options)
    with pytest.raises(CheckpointError, match='builtins.exec'):
        read_checkpoint(tmp_path / 'file.pt')
    assert not marker.exists()


def test_the_header_of_the_older_format_is_read_as_carefully(tmp_path):
    (tmp_path / 'file.pt').write_bytes(call_of('os.system', f'touch {tmp_path / "marker"}'))
    with pytest.raises(CheckpointError, match='os.system'):
        read_checkpoint(tmp_path / 'file.pt')
    assert not (tmp_path / 'marker').exists()


def test_code_that_is_installed_under_an_expected_name_does_not_run(tmp_path, monkeypatch):
    calls = []
    module = types.ModuleType('models')
    module.run = calls.append
    monkeypatch.setitem(sys.modules, 'models', module)
    pickled = call_of('models.run', 'now')
    assert pickle.loads(pickled) is None and calls == ['now']  # an ordinary unpickler runs it
    zip_file(tmp_path / 'file.pt', pickled)
    with pytest.raises(CheckpointError, match='no weights'):
        read_checkpoint(tmp_path / 'file.pt')
    assert calls == ['now']


def test_a_setter_of_an_installed_class_does_not_run(tmp_path):
    states = []
    with original_packages() as classes:
        classes['Block'].__setstate__ = lambda self, state: states.append(state)
        module = classes['Block']()
        module.conv = nn.Conv2d(1, 1, 1)
        torch.save(dict(model=module), tmp_path / 'file.pt')
        assert list(read_checkpoint(tmp_path / 'file.pt').state_dict) == ['conv.weight', 'conv.bias']
        assert states == []


def test_torchscript_is_refused(tmp_path):
    torch.jit.script(nn.Linear(1, 1)).save(str(tmp_path / 'file.pt'))
    with pytest.raises(CheckpointError, match='TorchScript'):
        read_checkpoint(tmp_path / 'file.pt')


def test_compressed_records_are_refused(tmp_path):
    zip_file(tmp_path / 'file.pt', pickle.dumps({}), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match='compressed'):
        read_checkpoint(tmp_path / 'file.pt')


def test_another_byte_order_is_refused(tmp_path):
    zip_file(tmp_path / 'file.pt', pickle.dumps({}), dict(byteorder='big' if sys.byteorder == 'little' else 'little'))
    with pytest.raises(CheckpointError, match='byte order'):
        read_checkpoint(tmp_path / 'file.pt')


def test_a_module_that_contains_itself_is_refused(tmp_path):
    with original_packages() as classes:
        module = classes['Block']()
        module._modules['child'] = nn.Sequential(nn.Linear(1, 1))
        module._modules['child']._modules['parent'] = module
        torch.save(dict(model=module), tmp_path / 'file.pt')
    with pytest.raises(CheckpointError, match='contains itself'):
        read_checkpoint(tmp_path / 'file.pt')


def test_a_module_whose_names_multiply_is_refused(tmp_path):
    module = nn.Linear(1, 1)
    for _ in range(40):
        module = nn.Sequential(module, module)  # 2 ** 40 names
    torch.save(dict(model=module), tmp_path / 'file.pt')
    with pytest.raises(CheckpointError, match='more than 100000 tensors'):
        read_checkpoint(tmp_path / 'file.pt')


class Tensor:
    """Pickles as a tensor of any claim over a storage of four values."""

    def __init__(self, size: tuple, stride: tuple, offset: int = 0) -> None:
        self.claim = offset, size, stride

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, (Storage(), *self.claim, False, {})


class Storage:
    """Pickles by its persistent id."""


def tensor_file(path, tensor: Tensor, numel: int = 4) -> None:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=2)
    pickler.persistent_id = lambda value: (('storage', torch.FloatStorage, '0', 'cpu', numel)
                                           if isinstance(value, Storage) else None)
    pickler.dump(dict(weight=tensor))
    zip_file(path, buffer.getvalue(), {'data/0': struct.pack('<4f', 1, 2, 3, 4)})


def test_a_tensor_inside_its_storage_is_read(tmp_path):
    tensor_file(tmp_path / 'file.pt', Tensor((3, ), (1, ), offset=1))
    assert read_checkpoint(tmp_path / 'file.pt').state_dict['weight'].tolist() == [2, 3, 4]


@pytest.mark.parametrize('tensor', [
    Tensor((5, ), (1, )), Tensor((2, ), (1, ), offset=3), Tensor((2, 2), (3, 1)), Tensor((10**9, 10**9), (0, 0)),
    Tensor((2, ), (-1, ), offset=1), Tensor((2, ), (1, ), offset=-1), Tensor((2, ), (1.0, )), Tensor((2, ), (1, 1)),
    Tensor('ab', (1, ))
], ids=['too_long', 'too_far', 'too_wide', 'enormous', 'backwards', 'before', 'no_number', 'two_strides', 'text'])
def test_a_tensor_outside_its_storage_is_refused(tmp_path, tensor):
    tensor_file(tmp_path / 'file.pt', tensor)
    with pytest.raises(CheckpointError, match='file.pt: '):
        read_checkpoint(tmp_path / 'file.pt')


def test_a_storage_shorter_than_it_claims_is_refused(tmp_path):
    tensor_file(tmp_path / 'file.pt', Tensor((5, ), (1, )), numel=10**12)
    with pytest.raises(CheckpointError, match='has 16 bytes'):
        read_checkpoint(tmp_path / 'file.pt')


@pytest.mark.parametrize('name', ['torch._utils _rebuild_tensor_v2', 'torch._utils _rebuild_parameter', 'models Any',
                                  'collections OrderedDict', 'torch FloatStorage'])
def test_a_pickle_cannot_change_the_reader_itself(tmp_path, name):
    """The BUILD instruction sets attributes of whatever a pickle is handed, functions and classes too."""
    data = b'\x80\x02c' + name.replace(' ', '\n').encode() + b'\nN}X\x06\x00\x00\x00brokenNs\x86b.'
    zip_file(tmp_path / 'file.pt', data)
    with pytest.raises(CheckpointError, match='damaged'):
        read_checkpoint(tmp_path / 'file.pt')
    assert not any(hasattr(part, 'broken') for part in (StandIn, OrderedDict, RestrictedUnpickler._tensor,
                                                        RestrictedUnpickler._parameter))
