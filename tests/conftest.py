import signal

import pytest

pytest_plugins = ["pytester", "real_frameworks", "heartbeat", "tiers", "workers"]

# a shell that puts the tests in the background has them ignore Ctrl-C, and with them all that they start
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmarks", action="store_true", help="every command of benchmarks/README, half an hour")
    parser.addoption("--interruptions", type=int, default=20, help="random moments at which runs are interrupted")
