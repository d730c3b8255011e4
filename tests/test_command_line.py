import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmdet_ext.command_line import Interrupted, run, wrong_config


def status(main, **options) -> int:
    with pytest.raises(SystemExit) as exit:
        run(main, **options)
    return exit.value.code


def raising(error: Exception):
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize('error', [
    ValueError('size must be positive, got -1'), FileNotFoundError('there is no x.json'), ImportError('no lvis'),
    MemoryError('8 GiB'), FloatingPointError('loss is nan'), torch.OutOfMemoryError('CUDA out of memory')])
def test_a_mistake_of_the_user_is_one_message_and_status_2(capsys, error):
    assert status(raising(error)) == 2
    assert capsys.readouterr().err.rstrip().endswith(f': error: {error}')


def test_a_fault_of_the_program_keeps_its_traceback():
    with pytest.raises(TypeError):
        run(raising(TypeError('fault')))


def test_the_status_is_what_main_returns():
    assert (status(lambda: None), status(lambda: 3)) == (None, 3)


@pytest.mark.parametrize('error', [KeyboardInterrupt(), Interrupted('the machine shuts down')])
def test_an_interruption_says_what_it_leaves(capsys, error):
    assert status(raising(error), interrupted='stopped, nothing was written') == 130
    assert 'stopped, nothing was written' in capsys.readouterr().err


def test_an_interruption_of_which_another_error_is_made_stays_one(capsys):
    def main() -> None:
        with wrong_config('my_config.py'):
            try:
                raise KeyboardInterrupt
            except BaseException as error:
                raise SyntaxError('Failed to format the config file') from error

    assert status(main) == 130
    assert 'Failed' not in capsys.readouterr().err


def test_the_traceback_is_in_the_log_file_of_the_run(tmp_path):
    logger = MMLogger.get_instance('test_command_line', log_file=str(tmp_path / 'x.log'), log_level='ERROR')
    assert status(raising(ValueError('wrong'))) == 2
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    assert 'Traceback' in (tmp_path / 'x.log').read_text() and 'ValueError: wrong' in (tmp_path / 'x.log').read_text()


class Detector(torch.nn.Module):

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width + 1


@pytest.mark.parametrize('mistake', [
    lambda: MODELS.build(dict(type='NoDetector')), lambda: MODELS.build(dict(type=Detector, height=3)),
    lambda: MODELS.build(dict(type=Detector, width='3')), lambda: MODELS.build(dict(width=3)),
    lambda: Config(dict(model=dict())).modle, lambda: Config(dict(model=dict())).model.width])
def test_what_mmengine_raises_for_a_wrong_config_names_the_file(mistake):
    with pytest.raises(ValueError, match='my_config.py: (Detector: )?(KeyError|TypeError|AttributeError): '), \
            wrong_config('my_config.py'):
        mistake()


def test_what_the_program_does_wrong_is_not_blamed_on_the_config():
    with pytest.raises(AttributeError), wrong_config('my_config.py'):
        assert Detector(3).height
