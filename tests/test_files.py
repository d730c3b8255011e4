"""Where files can be written."""
import errno
import os
from pathlib import Path

import pytest

from mmdet_ext import files


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def read_only(dir: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir / 'tmp1x2y'))

    files.check_writable(tmp_path / 'new' / 'folder')
    monkeypatch.setattr(files.tempfile, 'TemporaryFile', read_only)
    with pytest.raises(OSError, match=r"Read-only file system: '.*/some'$"):
        files.check_writable(tmp_path / 'some')
