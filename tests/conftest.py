import re
import signal

import pytest

pytest_plugins = ["pytester", "real_frameworks", "heartbeat"]

# a shell that puts the tests in the background has them ignore Ctrl-C, and with them all that they start
signal.signal(signal.SIGINT, signal.default_int_handler)

#: parts of a test's name that say which source's environment it runs in
SOURCES = re.compile("timm|mmcls|ppcls|torchvision")
#: tests that share nothing and of which single ones take long: each may run in any process
SPREAD = {"test_interrupted_at_any_moment"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--interruptions", type=int, default=20, help="random moments at which runs are interrupted")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long; tox leaves it out and `tox -e full` runs it")
    config.addinivalue_line("markers", "frameworks: runs a real framework in a source's environment; set by itself")
    config.addinivalue_line("markers", "timing: holds seconds of this process; run without another test beside it")


@pytest.hookimpl(tryfirst=True)  # before -m chooses, and before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what runs real frameworks, and keeps together what shares a fixture; slow tests are begun first."""
    for item in items:
        source = ""
        if "installed" in getattr(item, "fixturenames", ()):
            item.add_marker("frameworks")
            named = SOURCES.search(item.name.partition("[")[2]) or SOURCES.search(item.name)
            source = f":{named[0]}" if named else ""
        if not any(name in item.name for name in SPREAD):
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{source}"))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
