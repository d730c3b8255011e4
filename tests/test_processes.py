"""The number of processes on a machine, as the launchers say it."""
import pytest

from mmdet_ext.processes import VARIABLES, local_processes


@pytest.mark.parametrize('variables, number', [
    ({}, 1), (dict(LOCAL_WORLD_SIZE='4'), 4), (dict(OMPI_COMM_WORLD_LOCAL_SIZE='2'), 2),
    (dict(SLURM_STEP_TASKS_PER_NODE='8(x2)'), 8), (dict(SLURM_NTASKS_PER_NODE='3'), 3),
    (dict(LOCAL_WORLD_SIZE='1', SLURM_NTASKS_PER_NODE='8'), 1), (dict(SLURM_NTASKS_PER_NODE=''), 1)])
def test_launchers_say_how_many(variables, number, monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert local_processes() == number
