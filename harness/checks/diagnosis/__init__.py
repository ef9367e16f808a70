"""Why an accuracy differs from what is documented, or from that of another source."""
