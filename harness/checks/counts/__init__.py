"""FLOPs and parameters: networks are counted, and the figures explained by a convention or contradicted."""
