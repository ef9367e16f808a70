"""Documented tables, what their pages say beside them, and facts about ImageNet."""

from pathlib import Path

#: where they are
FOLDER = Path(__file__).parent
