"""List the tools: python -m mmdet_ext.tools."""
import argparse
import ast
import re
from pathlib import Path

from ..config_files import tool_folder


def main() -> None:
    parser = argparse.ArgumentParser(prog='python -m mmdet_ext.tools', description='List the tools.')
    parser.add_argument('tool', nargs='*', help=argparse.SUPPRESS)
    given = parser.parse_args().tool
    if given:
        parser.error(f'it lists the tools and takes no argument, but got {given[0]}; a tool is run by its whole name, '
                     'such as python -m mmdet_ext.tools.train')
    for name, summary in tools(tool_folder()).items():
        print(f'python -m mmdet_ext.tools.{name}\n    {summary}')


def tools(folder: Path) -> dict[str, str]:
    """Names of the tools as modules, with the first sentences of their docstrings."""
    files = sorted(folder.glob('*.py')) + sorted(folder.glob('data/*.py'))
    return {'.'.join(file.relative_to(folder).with_suffix('').parts): _summary(file) for file in files}


def _summary(file: Path) -> str:
    """The first line of the docstring, without the command that some have behind a colon."""
    line = (ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or '').partition('\n')[0]
    return re.split(': `?python ', line)[0].rstrip('.') + '.'


if __name__ == '__main__':
    main()
