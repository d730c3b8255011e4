"""Write the report of a training: python tools/report.py RUN [--checkpoint FILE] [--out DIR] [--split val|test]."""
from mmdet_ext.command_line import run
from mmdet_ext.report.command import main

if __name__ == '__main__':
    run(main, interrupted='interrupted: the same command goes on from there')
