import signal

pytest_plugins = ["pytester", "real_frameworks"]

# a shell that puts the tests in the background has them ignore Ctrl-C, and with them all that they start
signal.signal(signal.SIGINT, signal.default_int_handler)
