"""Run all checks and print what they found."""
from collections.abc import Callable
from itertools import groupby

from . import machine, packages, storage
from .finding import Finding, State

CHECKS: list[Callable[[], list[Finding]]] = [
    packages.python, packages.bytecode, packages.required, packages.operators, packages.known_traps, packages.extras,
    machine.gpus, machine.threads, machine.shared_memory,
    storage.folders, storage.text_encoders, storage.backbones,
]
MARKS = {State.OK: 'ok', State.MISSING: '--', State.WARNING: '!', State.ERROR: 'ERROR'}


def examine(checks: list[Callable[[], list[Finding]]] = CHECKS) -> list[Finding]:
    """The findings of all checks; a check that fails is a finding too."""
    findings = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:  # whatever is broken on this machine, the other checks are to run
            findings.append(Finding('Doctor', check.__name__, State.WARNING,
                                    f'this check failed: {type(error).__name__}: {error}'))
    return findings


def report(findings: list[Finding]) -> str:
    """The findings as text, grouped, remedies below; the last line says how many need attention."""
    lines = []
    for group, members in groupby(findings, lambda finding: finding.group):
        lines.append(group)
        for finding in members:
            lines.append(f'  {MARKS[finding.state]:>5}  {finding.name:<28}{finding.text}'.rstrip())
            if finding.remedy:
                lines.append(f'{"":37}{"to install" if finding.state is State.MISSING else "try"}: {finding.remedy}')
    errors, warnings = (sum(finding.state is state for finding in findings) for state in (State.ERROR, State.WARNING))
    lines.append(f'\nerrors: {errors}, warnings: {warnings}')
    return '\n'.join(lines)
