"""What everything else is made of: records, errors, paths, text. Standard library alone."""
