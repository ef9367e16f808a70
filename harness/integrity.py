"""Whether an image file is whole.

Decoders disagree about a file that was cut off: Pillow refuses it, OpenCV fills the rest with grey and says
nothing. So the harness looks for the end marker itself, the same way for every source.
"""

from __future__ import annotations

_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_PNG, _PNG_END = b"\x89PNG", b"IEND"


def truncation(image: bytes) -> str | None:
    """Why an encoded image is incomplete, or None.

    In a JPEG the bytes FF D9 cannot occur inside entropy-coded data (ITU-T T.81, B.1.1.5), so a file whose
    last scan is followed by no end marker was cut off, even if an embedded thumbnail before it has one.
    """
    if not image:
        return "the file is empty"
    if image.startswith(_JPEG):
        scan = image.rfind(_JPEG_SCAN)
        if scan < 0 or image.find(_JPEG_END, scan) < 0:
            return f"the JPEG is truncated: no end marker in its {len(image)} bytes"
    elif image.startswith(_PNG) and image.find(_PNG_END, -64 if len(image) > 64 else 0) < 0:
        return f"the PNG is truncated: no end chunk in its {len(image)} bytes"
    return None
