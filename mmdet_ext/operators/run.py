"""Run a program that imports ``mmcv.ops`` before anything imports mmdet_ext, such as tools/test.py of mmdet."""
import sys
from collections.abc import Sequence
from pathlib import Path


def run_script(script: str, arguments: Sequence[str]) -> None:
    """Run it as ``python script arguments`` does, in this process, which has the operators already.

    Data workers that are spawned import the module that ``__main__`` names in its specification. With this one, they
    import mmdet_ext first, and not the script.
    """
    path = Path(script)
    code = compile(path.read_bytes(), script, 'exec')
    sys.argv = [script, *arguments]
    sys.path[0] = str(path.resolve().parent)
    main = sys.modules['__main__']
    main.__file__, main.__spec__ = script, __spec__
    exec(code, vars(main))
