"""The server of the page closes the log files of the process."""
import logging
import logging.config

from mmengine.logging import MMLogger

from mmdet_ext.app.page import forget_closed_log_files


def test_log_files_that_were_closed_are_taken_out_of_the_loggers(tmp_path):
    logger = MMLogger.get_instance('log files of a page', log_file=str(tmp_path / 'log'))
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    forget_closed_log_files()
    assert files and all(handler in logger.handlers for handler in files)
    for handler in files:
        handler.close()
    forget_closed_log_files()
    assert not any(isinstance(handler, logging.FileHandler) for handler in logger.handlers)
