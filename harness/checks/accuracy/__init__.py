"""Top-1 and top-5: networks are evaluated on images, and their counts compared with the documented ones."""
