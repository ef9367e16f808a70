"""What is checked. Each check measures, judges (pure functions) and words what it found."""
