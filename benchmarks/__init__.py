"""Speed of the harness against the sources' own evaluation code; see README.md here. No part of the harness."""
