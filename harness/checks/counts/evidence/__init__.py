"""One posterior for the columns of a source: how they are counted, and which of their cells are wrong."""
