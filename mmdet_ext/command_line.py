"""How a command line ends: one message and exit status 2 for a user's mistake, a traceback for a fault of the
program."""
import logging
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .config_files import tool_folder

# What wrong input raises. Anything else is a fault of the program and keeps its traceback.
USER_ERRORS = (ValueError, OSError, ImportError, MemoryError, FloatingPointError)
CONFIG_ERRORS = (AttributeError, KeyError, TypeError, SyntaxError, AssertionError, NameError, ValueError,
                 ArithmeticError)


class Interrupted(Exception):
    """The user or the machine asked the work to stop; what was done is saved."""


def run(main: Callable[[], int | None], *, interrupted: str = 'interrupted') -> None:
    """Run the main function of a command line and exit with its status.

    The status is 0, or what `main` returns; 2 after a user's mistake, of which one message is printed; 130 after
    Ctrl-C. The traceback of a user's mistake is written to the log file of the run, if there is one, and is printed if
    the environment variable MMDET_EXT_TRACEBACK is set.

    Args:
        main: The function.
        interrupted: Message after Ctrl-C, such as 'interrupted, nothing was written'.
    """
    program = Path(sys.argv[0]).name
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')  # mmengine's, about its own code
    try:
        status = main()
    except (KeyboardInterrupt, Exception) as error:
        if stop := _interruption(error):
            reason = f' ({stop})' if str(stop) else ''
            print(f'{program}: {interrupted}{reason}', file=sys.stderr)
            sys.exit(128 + signal.SIGINT)
        if not isinstance(error, USER_ERRORS) and type(error).__name__ != 'OutOfMemoryError':  # torch's, of a GPU
            raise
        _log_traceback(error)
        print(f'{program}: error: {message_of(error)}', file=sys.stderr)
        status = 2
    sys.exit(status)


def end_own_command(error: ImportError) -> None:
    """End the program with one message and exit status 2, if it is a command of this package; else return.

    For what `import mmdet_ext` raises, which is the first line of a command, before `run`.
    """
    script = Path(sys.argv[0]) if sys.argv else Path()
    modules = [word for word in sys.orig_argv if word.startswith('mmdet_ext.tools')]
    if str(script) == '-m' and modules:  # Python imports the package before it finds the file of the module
        program = f'{modules[0].rpartition(".")[2]}.py'
    elif script.suffix == '.py' and script.resolve().is_relative_to(tool_folder().resolve()):
        program = script.name
    else:
        return
    _print_traceback(error)
    print(f'{program}: error: {error}', file=sys.stderr)
    sys.exit(2)


@contextmanager
def wrong_config(file: str) -> Iterator[None]:
    """Turn what mmengine raises for wrong keys and values of a config into a ValueError.

    This covers errors while mmengine reads or changes the config, and while it builds objects from it, also in
    constructors of torch, mmdet and this package. Errors in an object that was built are not changed, nor are this
    package's ValueErrors, which say what is wrong.

    Args:
        file: Config file, for the message.
    """
    try:
        yield
    except CONFIG_ERRORS as error:
        frames = [(frame.f_globals.get('__name__', ''), frame) for frame, _ in traceback.walk_tb(error.__traceback__)]
        frames = [(name, frame) for name, frame in frames if name.partition('.')[0] not in sys.stdlib_module_names]
        says_what = isinstance(error, ValueError) and frames[-1][0].startswith('mmdet_ext.')
        builds = any(name.startswith(('mmengine.config', 'mmengine.registry')) for name, _ in frames)
        if says_what or not (builds or frames[-1][0].startswith(('mmengine.', 'mmdet.engine.'))):
            raise
        classes = [frame.f_locals.get('obj_cls') for _, frame in frames if frame.f_code.co_name == 'build_from_cfg']
        built = f'{classes[-1].__name__}: ' if classes and hasattr(classes[-1], '__name__') else ''
        raise ValueError(f'{file}: {built}{type(error).__name__}: {message_of(error)}') from error


def message_of(error: BaseException) -> str:
    """The message of an error; of one that a data worker passed on, without the worker's traceback."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if in_worker := re.match(r'Caught (\w+) in DataLoader worker process', message):
        message = message.rpartition(f'\n{in_worker[1]}: ')[2]
    return message.strip() or type(error).__name__


def _interruption(error: BaseException | None) -> BaseException | None:
    """The interruption that an error is or comes from: mmengine, formatting a config, makes it a SyntaxError."""
    while error and not isinstance(error, (KeyboardInterrupt, Interrupted)):
        error = error.__cause__ or error.__context__
    return error


def _print_traceback(error: BaseException) -> str:
    """The text of the traceback, which is printed if the user asks for it."""
    text = ''.join(traceback.format_exception(error))
    if os.environ.get('MMDET_EXT_TRACEBACK'):
        print(text, file=sys.stderr)
    return text


def _log_traceback(error: BaseException) -> None:
    text = _print_traceback(error)
    if 'mmengine' not in sys.modules:  # no run has begun
        return
    from mmengine.logging import MMLogger

    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler) and handler.stream:  # closed ones have none
                handler.stream.write(text)
                handler.flush()
