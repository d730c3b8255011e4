"""Say what is installed and what does not work on this machine.

    python -m mmdet_ext.doctor [--json]

The exit status is 1 if something does not work, else 0. Warnings do not change it.
"""
import argparse
import json
import sys
from dataclasses import asdict

from .finding import State
from .report import examine, report


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m mmdet_ext.doctor', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--json', action='store_true', help='print the findings as JSON, for scripts')
    args = parser.parse_args()
    findings = examine()
    print(json.dumps([asdict(finding) for finding in findings], indent=1) if args.json else report(findings))
    return int(any(finding.state is State.ERROR for finding in findings))


if __name__ == '__main__':
    sys.exit(main())
