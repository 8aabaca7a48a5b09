"""What the commands show of the log."""

import logging

import pytest

from gridbus.cli.logs import logging_to_stderr


def warn() -> None:
    """Log a failure as gridbus does."""
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("gridbus.bus").exception("something failed\nwith more to say")
    logging.getLogger("gridbus.bus").info("all is well")


def test_a_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, nothing below a warning, and nothing once it is over."""
    with logging_to_stderr():
        warn()
    assert capsys.readouterr().err == "gridbus.bus: something failed\n"
    logger = logging.getLogger("gridbus")
    assert logger.propagate
    assert not logger.handlers


def test_it_can_be_silent(capsys: pytest.CaptureFixture[str]) -> None:
    """Where all that is wrong is listed anyway."""
    with logging_to_stderr(is_silent=True):
        warn()
    assert capsys.readouterr().err == ""
