"""Whether two sources run the same function on the same images."""
