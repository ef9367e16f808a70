"""What the harness costs beside the networks, one module a part: `measure(given)` returns Markdown."""
