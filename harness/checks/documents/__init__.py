"""What documents say, held against itself and against what the sources publish; nothing is run."""
