"""What the bytes of an image say of it before it is decoded: format, size, quantisation, orientation."""

from __future__ import annotations

import hashlib
import io
import warnings
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from harness.worker.images import truncation

_ORIENTATION = 0x0112  #: the EXIF tag


class Facts(NamedTuple):
    """About one image; a tuple of plain values, which is how it is remembered."""

    length: int  #: bytes
    format: str  #: as Pillow names it, "JPEG"; "" where it is none that Pillow knows
    mode: str  #: as Pillow names it: RGB, L, CMYK, …
    width: int  #: pixels
    height: int  #: pixels
    orientation: int  #: of EXIF, 1..8; 0 where none is given
    table: str  #: digest of the JPEG's quantisation table of luminance; "" for other formats
    is_cut: bool  #: its end is missing


def facts_of(image: bytes) -> Facts:
    """Reads the head of an encoded image. What cannot be read is left empty: the run reports it with the image."""
    cut = truncation(image) is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes and metadata, which are read by the source again
            with Image.open(io.BytesIO(image)) as opened:
                tables = getattr(opened, "quantization", None) or {}
                table = hashlib.sha256(repr(list(tables[0])).encode()).hexdigest()[:12] if 0 in tables else ""
                found = Facts(
                    len(image), opened.format or "", opened.mode, *opened.size, _orientation(opened), table, cut
                )
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Facts(len(image), "", "", 0, 0, 0, "", cut)
    return found


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 0)
    except Exception:  # damaged metadata raise anything, and decoders pass over them
        return 0
    return found if isinstance(found, int) and 1 <= found <= 8 else 0
