"""Writes the small pictures and NumPy containers beside this script; `expected.npz` has each picture's pixels as Pillow
decodes them, (rows, columns) or (rows, columns, 3), under the file's name.

    apt install python3-pil python3-numpy
    /usr/bin/python3 make_files.py
"""
import pathlib

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
rows, columns = 9, 7

# Smooth, as JPEG likes it, with colours that differ in every channel and every corner.
y, x = np.mgrid[0:rows, 0:columns]
pixels = np.stack([x * 36, y * 28, (x + 2 * y) * 10 % 256], -1).astype(np.uint8)
rgb = Image.fromarray(pixels)
gray = rgb.convert("L")
clear = rgb.convert("RGBA")
clear.putpixel((3, 2), (1, 2, 3, 100))
wide = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)

READ = {
    "rgb.jpg": (rgb, {"quality": 95, "subsampling": 0}), "subsampled.jpg": (rgb, {"quality": 80}),
    "progressive.jpg": (rgb, {"quality": 90, "progressive": True}), "gray.jpg": (gray, {}),
    "lossless.webp": (rgb, {"lossless": True}), "lossy.webp": (rgb, {"quality": 80}),
    "opaque.webp": (rgb.convert("RGBA"), {"lossless": True}),
    "rgb.bmp": (rgb, {}), "gray.bmp": (gray, {}), "palette.bmp": (rgb.convert("P"), {}),
    "bits.bmp": (rgb.convert("1"), {}),
    "rgb.tiff": (rgb, {}), "gray.tiff": (gray, {}), "lzw.tiff": (rgb, {"compression": "tiff_lzw"}),
    "deflate.tiff": (rgb, {"compression": "tiff_adobe_deflate"}), "jpeg.tiff": (rgb, {"compression": "jpeg"}),
    "palette.tiff": (rgb.convert("P"), {}), "bits.tiff": (rgb.convert("1"), {}),
    "opaque.tiff": (rgb.convert("RGBA"), {}),
}
REFUSED = {
    "cmyk.jpg": (rgb.convert("CMYK"), {}), "clear.webp": (clear, {"lossless": True}), "clear.tiff": (clear, {}),
    "clear.bmp": (clear, {}), "wide.tiff": (wide, {}), "float.tiff": (gray.convert("F"), {}),
    "pages.tiff": (rgb, {"save_all": True, "append_images": [rgb]}),
    "animated.webp": (rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
}

expected = {}
for name, (picture, options) in (READ | REFUSED).items():
    picture.save(FOLDER / name, **options)
    if name in READ:
        decoded = Image.open(FOLDER / name)
        decoded = decoded.convert("L" if decoded.mode in ("1", "L") else "RGB")
        expected[name] = np.asarray(decoded)
np.savez_compressed(FOLDER / "expected.npz", **expected)

images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
np.savez(FOLDER / "stored.npz", images.astype(np.uint8))
np.savez_compressed(FOLDER / "deflated.npz", images=images.astype(">i4"), labels=np.arange(2))
np.savez(FOLDER / "fortran.npz", np.asfortranarray(images.astype(np.int64)))
np.savez(FOLDER / "several.npz", x_train=images[:1], x_test=images[1:], y_train=np.zeros(1), y_test=np.zeros(1))
np.savez(FOLDER / "objects.npz", np.array([None]))
