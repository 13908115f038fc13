"""Images within a byte budget."""

from __future__ import annotations

import base64
import io
import random
import sys
import zlib

import pytest

import needs

needs.need_module("PIL")

from PIL import Image  # noqa: E402

from kernelet.service.images import FittedImage, ImageError, fit_base64, fit_image, is_raster  # noqa: E402


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Return an image that nothing compresses well."""
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(width * height * len(mode)))


def written(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def opened(fitted: FittedImage) -> Image.Image:
    image = Image.open(io.BytesIO(fitted.data))
    image.load()
    assert image.size == (fitted.width, fitted.height)
    assert Image.MIME[image.format or ""] == fitted.mime
    return image


def test_an_image_within_the_budget_is_untouched() -> None:
    data = written(Image.new("RGB", (30, 20), "red"))
    fitted = fit_image(data, "image/png", max_bytes=len(data), max_side=30)
    assert fitted == FittedImage(data, "image/png", 30, 20, len(data), changed=False)


def test_a_plot_over_the_budget_becomes_a_png_of_256_colours() -> None:
    # A gradient: many colours, few of which the eye tells apart.
    image = Image.merge("RGB", [Image.linear_gradient("L").rotate(turn).resize((600, 400)) for turn in (0, 90, 180)])
    data = written(image)
    fitted = fit_image(data, "image/png", max_bytes=len(data) - 1, max_side=1568)
    assert (fitted.mime, fitted.changed, fitted.original_bytes) == ("image/png", True, len(data))
    assert len(fitted.data) < len(data)
    assert opened(fitted).mode == "P"


def test_an_image_with_a_side_too_long_is_scaled_down() -> None:
    data = written(Image.new("RGB", (4000, 1000), "blue"))
    fitted = fit_image(data, "image/png", max_bytes=10**6, max_side=1568)
    assert opened(fitted).size == (1568, 392)


def test_a_photo_becomes_a_jpeg() -> None:
    data = written(noise(300, 300).resize((900, 900)))
    fitted = fit_image(data, "image/png", max_bytes=200_000, max_side=1568)
    assert fitted.mime == "image/jpeg"
    assert len(fitted.data) <= 200_000
    assert opened(fitted).size == (900, 900)


def test_what_fits_at_no_quality_gets_fewer_pixels() -> None:
    fitted = fit_image(written(noise(800, 800)), "image/png", max_bytes=20_000, max_side=1568)
    assert len(fitted.data) <= 20_000
    assert max(opened(fitted).size) < 800


def test_a_transparent_image_stays_transparent_as_png_and_gets_white_as_jpeg() -> None:
    image = Image.new("RGBA", (2000, 50), (0, 0, 0, 0))
    as_png = opened(fit_image(written(image), "image/png", max_bytes=10**5, max_side=1000)).convert("RGBA")
    assert as_png.getpixel((0, 0))[3] == 0  # type: ignore[index]
    mixed = noise(400, 400, "RGBA")
    mixed.paste((0, 0, 0, 0), (0, 0, 100, 100))
    fitted = fit_image(written(mixed), "image/png", max_bytes=120_000, max_side=1000)
    assert fitted.mime == "image/jpeg"
    assert min(opened(fitted).getpixel((10, 10))) > 240  # type: ignore[type-var, arg-type]


@pytest.mark.parametrize("side", [9_500, 50_000])  # Pillow warns of the first, and refuses the second
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = zlib.compress(b"\0" * 1000)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="too large"):
        fit_image(bomb, "image/png", max_bytes=10**6, max_side=1568)


def test_what_is_no_image_passes_when_small_and_is_named_when_large() -> None:
    assert fit_image(b"not an image", "image/png", max_bytes=100, max_side=10).data == b"not an image"
    with pytest.raises(ImageError, match="cannot be read"):
        fit_image(b"not an image" * 100, "image/png", max_bytes=100, max_side=10)
    cut = written(noise(100, 100))[:-5000]
    with pytest.raises(ImageError, match="cannot be read"):
        fit_image(cut, "image/png", max_bytes=100, max_side=10)


def test_a_budget_too_small_for_any_image_is_an_error() -> None:
    with pytest.raises(ImageError, match="does not fit into 10 bytes"):
        fit_image(written(noise(100, 100)), "image/png", max_bytes=10, max_side=1568)


def test_base64_comes_as_jupyter_writes_it_with_newlines() -> None:
    data = written(Image.new("RGB", (10, 10)))
    assert fit_base64(base64.encodebytes(data).decode(), "image/png", max_bytes=10**6, max_side=100).data == data
    with pytest.raises(ImageError, match="not base64"):
        fit_base64("é", "image/png", max_bytes=10, max_side=10)
    with pytest.raises(ImageError, match="not base64"):
        fit_base64("abcde", "image/png", max_bytes=10, max_side=10)


def test_without_pillow_small_images_pass_and_large_ones_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert not fit_image(b"12345", "image/png", max_bytes=5, max_side=1).changed
    with pytest.raises(ImageError, match="Pillow"):
        fit_image(b"123456", "image/png", max_bytes=5, max_side=1)


def test_svg_and_html_count_as_text() -> None:
    assert [mime for mime in ("image/png", "IMAGE/JPEG; q=1", "image/svg+xml", "text/html") if is_raster(mime)] == [
        "image/png",
        "IMAGE/JPEG; q=1",
    ]
