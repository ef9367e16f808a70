"""The devices of this machine: which are asked for, which are there, and a worker on each."""
