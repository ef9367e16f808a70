"""Which files are meant by a path, a folder or a pattern."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from harness.core.errors import InputError

#: endings of the documents that are looked for in folders; of .yml files those that list models
DOCUMENTS = (".md", ".rst", ".csv", ".tsv")
_LISTS_MODELS = re.compile(r"^(?:(?:Models|model-index)\s*:|- Name\s*:)", re.MULTILINE)
#: a file that is looked at in a folder is at most so large; what is named is read whatever its size
_LARGEST = 20_000_000


def documents(asked: Path, but: Path | None) -> list[Path]:
    """The files that a path means; in a folder those that may have tables, but for hidden ones and those in `but`.

    Raises InputError where there are none.
    """
    if asked.is_dir():
        found = sorted(path for path in asked.rglob("*") if _may_have_tables(path, asked))
    elif glob.has_magic(str(asked)) and not asked.exists():
        found = [Path(name) for name in sorted(glob.glob(str(asked), recursive=True)) if Path(name).is_file()]  # noqa: PTH207
    else:
        return [asked]
    found = [path for path in found if but is None or but.resolve() not in path.resolve().parents]
    if not found:
        raise InputError(
            f"{asked}: no document there; expected a file, a folder with .md, .rst, .csv or .tsv files or with .yml "
            "files that list models, or a pattern"
        )
    return found


def _may_have_tables(path: Path, folder: Path) -> bool:
    if any(part.startswith(".") for part in path.relative_to(folder).parts) or not path.is_file():
        return False
    ending = path.suffix.lower()
    return ending in DOCUMENTS or (ending in (".yml", ".yaml") and _lists_models(path))


def _lists_models(path: Path) -> bool:
    try:
        return path.stat().st_size < _LARGEST and bool(_LISTS_MODELS.search(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError):
        return False
