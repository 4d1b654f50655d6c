import io
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from mediml.imaging import PictureError, read_picture

GREY = np.array([[0, 64], [128, 255]], np.uint8)


@pytest.fixture
def save(tmp_path):
    def save(picture, format="PNG", **options):
        path = tmp_path / f"picture{len(list(tmp_path.iterdir()))}"
        (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(path, format, **options)
        return path

    return save


def codes(image):
    return [step.code for step in image.account]


def test_eight_bits(save):
    image = read_picture(save(GREY))
    assert image.modality == "picture" and image.is_grey
    np.testing.assert_array_equal(image.values, GREY)
    np.testing.assert_allclose(image.display(), GREY / 255, atol=1e-6)


def test_sixteen_bits_are_not_cut_to_eight(save):
    stored = np.array([[0, 1], [300, 65535]], np.uint16)
    image = read_picture(save(stored))
    np.testing.assert_array_equal(image.values, stored)
    np.testing.assert_allclose(image.display(), stored / 65535, atol=1e-6)


def test_black_and_white(save):
    image = read_picture(save(Pillow.fromarray(GREY > 100)))
    np.testing.assert_array_equal(image.display(), [[0, 0], [1, 1]])


def test_grey_in_three_channels_is_grey(save):
    image = read_picture(save(np.repeat(GREY[..., None], 3, 2)))
    np.testing.assert_array_equal(image.values, GREY)
    assert "grey_rgb" in codes(image)


def test_grey_jpeg_in_three_channels_is_grey(save):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    assert read_picture(save(np.repeat(smooth[..., None], 3, 2), "JPEG", quality=90)).is_grey


def test_colour_stays_colour(save):
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[0, 0] = (200, 10, 10)
    image = read_picture(save(colour))
    assert not image.is_grey
    np.testing.assert_allclose(image.display()[0, 0], np.array([200, 10, 10]) / 255, atol=1e-6)


def test_palette_is_resolved(save):
    palette = Pillow.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 10, 10, 90, 90, 90])
    image = read_picture(save(palette))
    np.testing.assert_array_equal(image.values, [[10, 90]])
    assert "palette" in codes(image)


def test_opaque_alpha_is_dropped_and_other_alpha_refused(save):
    opaque = np.stack([GREY, np.full_like(GREY, 255)], -1)
    np.testing.assert_array_equal(read_picture(save(Pillow.fromarray(opaque, "LA"))).values, GREY)
    opaque[0, 0, 1] = 254
    with pytest.raises(PictureError, match="partly transparent"):
        read_picture(save(Pillow.fromarray(opaque, "LA")))


def test_orientation_tag_is_followed(save):
    exif = Pillow.Exif()
    exif[0x0112] = 3  # turned by half
    image = read_picture(save(GREY, exif=exif))
    np.testing.assert_array_equal(image.values, GREY[::-1, ::-1])
    assert "turned" in codes(image)


def test_animation_is_refused(save):
    frames = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    with pytest.raises(PictureError, match="animated"):
        read_picture(save(frames[0], save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("side", [8_000, 100_000])
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    stream = io.BytesIO()
    Pillow.fromarray(GREY).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path = tmp_path / "bomb.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match="at most 40000000 are read"):
        read_picture(path)


def test_truncation_is_refused(save, tmp_path):
    content = save(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).read_bytes()
    for length in (20, len(content) // 2, len(content) - 30):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(PictureError, match="damaged"):
            read_picture(tmp_path / "cut")


def test_other_files_are_refused(save):
    with pytest.raises(PictureError, match="neither PNG nor JPEG"):
        read_picture(save(GREY, "BMP"))
