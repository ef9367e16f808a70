"""Whether an image file is whole.

Decoders disagree about a file that was cut off: Pillow refuses it, OpenCV fills the rest with grey and says
nothing. So the harness looks for the end marker itself, the same way for every source.
"""

from __future__ import annotations

import re

_JPEG, _PNG, _PNG_END = b"\xff\xd8", b"\x89PNG", b"IEND"
#: a marker that is neither a stuffed FF nor a restart; only the end has no length behind it
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_JPEG_END = b"\xd9"


def truncation(image: bytes) -> str | None:
    """Why an encoded image is incomplete, or None."""
    if not image:
        return "the file is empty"
    if image.startswith(_JPEG) and not _has_end(image):
        return f"the JPEG is truncated: no end marker in its {len(image)} bytes"
    if image.startswith(_PNG) and image.find(_PNG_END, -64) < 0:
        return f"the PNG is truncated: no end chunk in its {len(image)} bytes"
    return None


def _has_end(jpeg: bytes) -> bool:
    """Whether the image's own end marker is there.

    Segments are skipped by their length (ITU-T T.81, B.1.1.4), so that a thumbnail's marker does not count.
    """
    marker = _JPEG_MARKER.search(jpeg, len(_JPEG))
    while marker and marker.group(1) != _JPEG_END:
        length = int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
        marker = _JPEG_MARKER.search(jpeg, marker.end() + length)
    return marker is not None
