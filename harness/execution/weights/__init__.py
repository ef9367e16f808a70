"""Where published checkpoints are before they are asked for: other packages' caches, and the Hugging Face hub."""
