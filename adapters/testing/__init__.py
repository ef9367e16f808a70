"""The contract's tests, which a source's package runs on itself.

    pytest --pyargs harness.adapters.testing --source NAME --models A,B

Each clause of the contract is one test of each model, run inside the source's own environment.
"""
