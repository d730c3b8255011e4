"""The tools as modules, for any folder and system: `python -m mmdet_ext.tools.train CONFIG` runs tools/train.py.

`python -m mmdet_ext.tools` lists them. Files of `data` are named `mmdet_ext.tools.data.make_shapes`.
"""
from ..config_files import tool_folder

__path__.append(str(tool_folder()))
