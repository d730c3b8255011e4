"""`make install` stops before anything is loaded, and says what to do, where it cannot work; uv or pip installs."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not shutil.which('make'), reason='needs make')


def make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(['make', '-C', str(ROOT), *arguments], capture_output=True, text=True, check=False,
                          timeout=60)


@pytest.fixture
def another_python(tmp_path) -> Path:
    """An interpreter that says it is Python 3.13."""
    (tmp_path / 'bin').mkdir()
    python = tmp_path / 'bin/python'
    python.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 13, 0); $1"\n')
    python.chmod(0o755)
    return python


@pytest.mark.parametrize('arguments, message', [
    (['MMCV=full'], 'MMCV=full: it is lite or compiled'),
    (['VENV=my folder'], 'VENV=my folder: make takes no path with spaces'),
    (['PYTHON=no_such_python'], 'There is no interpreter no_such_python: make PYTHON=python3.12 ...'),
])
def test_a_wrong_value_is_named(tmp_path, arguments, message):
    result = make('install', f'VENV={tmp_path / "venv"}', *arguments)
    assert result.returncode == 2 and message in result.stderr
    assert not (tmp_path / 'venv').exists()


def test_an_interpreter_for_which_mmcv_does_not_compile_is_named(tmp_path, another_python):
    result = make('install', 'MMCV=compiled', f'VENV={tmp_path / "venv"}', f'PYTHON={another_python}')
    assert f'{another_python} is Python 3.13; MMCV=compiled needs one of 3.11, 3.12: make PY' in result.stderr
    assert result.returncode == 2 and not (tmp_path / 'venv').exists()


def test_an_environment_that_was_made_with_another_interpreter_is_named(tmp_path, another_python):
    (tmp_path / '.made').touch()
    result = make('install', 'MMCV=compiled', f'VENV={tmp_path}')
    assert result.returncode == 2
    assert f'{another_python} is Python 3.13; MMCV=compiled needs one of 3.11, 3.12: make clean, and' in result.stderr


def test_an_environment_that_was_left_half_made_is_named(tmp_path):
    (tmp_path / '.made').touch()
    result = make('install', f'VENV={tmp_path}')
    assert result.returncode == 2
    assert f'There is no interpreter {tmp_path}/bin/python: make clean, and then make' in result.stderr


@pytest.mark.parametrize('status', [0, 1])
def test_uv_takes_the_index_of_pip_and_pip_installs_where_uv_cannot(tmp_path, monkeypatch, status):
    monkeypatch.delenv('PYTHONDONTWRITEBYTECODE', raising=False)
    (tmp_path / 'bin').mkdir()
    called = tmp_path / 'called'
    scripts = dict(
        python=f"""case "$*" in
          -c*) exec {sys.executable} "$@" ;;
          *"config list") echo "global.extra-index-url='x'"; echo "user.index-url='https://mirror/simple'"; exit ;;
        esac
        echo python "$@" >>{called}""",
        uv=f'echo uv "$@" >>{called}; [ "$2" = uninstall ] || exit {status}')
    for name, script in scripts.items():
        (tmp_path / 'bin' / name).write_text(f'#!/bin/sh\n{script}\n')
        (tmp_path / 'bin' / name).chmod(0o755)
    (tmp_path / '.made').touch()
    result = make('install', f'VENV={tmp_path}')
    pip = 'python -m pip --disable-pip-version-check install -qq --no-compile -c requirements.lock'
    assert called.read_text().splitlines() == [
        f'{pip} torch torchvision uv', f'uv pip uninstall -qq --python {tmp_path}/bin/python mmcv',
        f'uv pip install -q --python {tmp_path}/bin/python --default-index https://mirror/simple '
        '-c requirements.lock -r requirements.txt -e .', *[f'{pip} -r requirements.txt -e .'] * status]
    assert ('pip tries' in result.stdout) == bool(status) and (tmp_path / '.installed-lite').exists()


@pytest.mark.parametrize('value, option', [('', '--no-compile'), ('1', '--compile')])
def test_bytecode_is_made_where_python_may_not(tmp_path, monkeypatch, value, option):
    monkeypatch.setenv('PYTHONDONTWRITEBYTECODE', value)
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/python').symlink_to(sys.executable)
    (tmp_path / '.made').touch()
    commands = make('-n', 'install', f'VENV={tmp_path}').stdout
    assert commands.count(f'-m pip --disable-pip-version-check install -qq {option} -c requirements.lock') == 2
    assert ('uv pip install -q --compile-bytecode ' in commands) == bool(value)
