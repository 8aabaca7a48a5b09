"""What every test has: the event loop's choice, and the check that no task outlives its test."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from hypothesis import settings

# A loaded machine is no failed test: each test's own time-out bounds it. Hypothesis brings its own profile for CI.
settings.register_profile("local", deadline=None)
if "CI" not in os.environ:
    settings.load_profile("local")


class UvloopPlugin:
    """Runs each asynchronous test on uvloop."""

    def pytest_asyncio_loop_factories(
        self, config: pytest.Config, item: pytest.Item
    ) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        """Name the one loop to run on."""
        return {"uvloop": importlib.import_module("uvloop").new_event_loop}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--uvloop``."""
    parser.addoption("--uvloop", action="store_true", help="run asynchronous tests on uvloop instead of asyncio's loop")


def pytest_configure(config: pytest.Config) -> None:
    """Put the hook in place only where asked: pytest-asyncio renames tests as soon as one exists."""
    if config.getoption("uvloop"):
        config.pluginmanager.register(UvloopPlugin(), "gridbus-uvloop")


@pytest.fixture(autouse=True)
def check_tasks(request: pytest.FixtureRequest) -> None:
    """Watch asynchronous tests for tasks that outlive them; others run without a loop."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("no_task_left")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail the test if a task is left once its other fixtures are closed."""
    before = asyncio.all_tasks()
    yield
    left = await leftover_tasks(before)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if left:
        names = "\n".join(f"  {task.get_name()}: {task.get_coro()!r}" for task in left[:10])
        pytest.fail(f"tasks outlive the test ({len(left)}):\n{names}", pytrace=False)


async def leftover_tasks(before: set[asyncio.Task[object]], turns: int = 5) -> list[asyncio.Task[object]]:
    """Return the tasks begun since; those cancelled just now have a few turns of the loop to end."""
    for _ in range(turns):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            break
        await asyncio.sleep(0)
    return sorted(left, key=lambda task: task.get_name())
