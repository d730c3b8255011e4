"""python -m mmdet_ext.report RUN: as tools/report.py."""
from mmdet_ext.command_line import run

from .command import main

run(main, interrupted='interrupted: the same command goes on from there')
