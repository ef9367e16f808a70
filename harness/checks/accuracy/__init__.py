"""Top-1 and top-5: networks are evaluated on images, and their counts held against what is documented."""
