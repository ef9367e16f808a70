"""File formats -> raw tables."""
