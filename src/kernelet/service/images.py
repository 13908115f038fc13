"""Images within a byte budget: smaller, with fewer colours, or as JPEG; the caller keeps the original.

Runs in a worker thread of the service (a large plot takes tens of milliseconds) and owns nothing.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

RASTER: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"})
"""What is measured in bytes. Anything else, SVG and HTML too, is text and has the budget of text."""

MAX_PIXELS: Final = 89_000_000
"""A larger image is not even decoded: as RGBA it takes 356 MB. Pillow warns from here on, too."""

_QUALITIES: Final = (80, 60, 40)
_SMALLEST_SIDE: Final = 64


@dataclass(frozen=True, slots=True)
class FittedImage:
    """An image within its budget; `changed` when it is not the original any more."""

    data: bytes
    mime: str
    width: int
    height: int
    original_bytes: int
    changed: bool


class ImageError(Exception):
    """Why an image cannot be brought within its budget; the message is one sentence."""


def is_raster(mime: str) -> bool:
    """Tell whether `mime` is measured in bytes, not in characters."""
    return mime.partition(";")[0].strip().lower() in RASTER


def fit_base64(text: str, mime: str, *, max_bytes: int, max_side: int) -> FittedImage:
    """Return the image that a mime bundle has as base64, within its budget.

    Raises:
        ImageError: see `fit_image`; also when `text` is no base64.
    """
    try:
        data = base64.b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ImageError(f"The {mime} of a result is not base64.") from error
    return fit_image(data, mime, max_bytes=max_bytes, max_side=max_side)


def fit_image(data: bytes, mime: str, *, max_bytes: int, max_side: int) -> FittedImage:
    """Return the image as it is when it fits, else the best that does: `max_side` pixels, 256 colours, JPEG, smaller.

    Raises:
        ImageError: it is over the budget and is no image, has too many pixels, or Pillow is not installed.
    """
    original = len(data)
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError  # slow to import, wanted by large images only
    except ImportError as error:
        if original <= max_bytes:
            return FittedImage(data, mime, 0, 0, original, changed=False)
        raise ImageError(
            f"An image of {original} bytes is over the budget of {max_bytes}, "
            "and Pillow, which makes it smaller, is not installed (kernelet[serve] has it)."
        ) from error

    try:
        # The header only; Pillow refuses bombs here, and our own limit holds where somebody lifted Pillow's.
        image: Image.Image = Image.open(io.BytesIO(data))
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ImageError(f"An image of {width} x {height} pixels is too large to be made smaller.")
        if original <= max_bytes and max(width, height) <= max_side:
            return FittedImage(data, mime, width, height, original, changed=False)
        image = ImageOps.exif_transpose(image)
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"A {mime} of {original} bytes is too large to be made smaller: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        if original <= max_bytes:  # a front end may know what it is
            return FittedImage(data, mime, 0, 0, original, changed=False)
        raise ImageError(f"The {mime} of a result, {original} bytes, cannot be read: {error}") from error
    image = image.convert("RGBA" if _is_transparent(image) else "RGB")
    side = max_side
    while True:
        small = image.copy()
        small.thumbnail((side, side))
        for encoded, form in _encodings(small):
            if len(encoded) <= max_bytes:
                return FittedImage(encoded, form, *small.size, original, changed=True)
        side = max(small.size) // 2
        if side < _SMALLEST_SIDE:
            raise ImageError(f"An image of {width} x {height} pixels does not fit into {max_bytes} bytes.")


def _encodings(image: Image.Image) -> Iterator[tuple[bytes, str]]:
    """Yield `image` written in ever cheaper ways: each is tried only when the one before was too large."""
    from PIL import Image

    # 256 colours are enough for plots; only the fast octree method knows transparency.
    palette = image.quantize(256, method=Image.Quantize.FASTOCTREE)
    yield _written(palette, "PNG", optimize=True), "image/png"
    flat = image
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
    for quality in _QUALITIES:
        yield _written(flat, "JPEG", quality=quality), "image/jpeg"


def _written(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
