pytest_plugins = ["pytester", "real_frameworks"]
