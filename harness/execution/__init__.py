"""Everything a measurement needs: environments, checkpoints, worker processes, the store."""
