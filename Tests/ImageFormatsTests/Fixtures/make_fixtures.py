#!/usr/bin/env python3
"""Writes the NPY and PNG files that the tests read, beside this script. Needs NumPy; PNGs are assembled here chunk by
chunk, so that every colour type, depth and defect is at hand. Run it again after a change: its output is the same each
time.

    npy/NAME.npy            arrays as numpy.save and numpy.lib.format write them
    npy/written.txt         dtype, shape and whole file (hex) of arrays that our writer must reproduce byte for byte
    png/NAME.png            pictures; png/NAME.npy holds the expected pixels, (height, width, channels)
    png/bad_NAME.png        pictures that must be refused
"""

import io
import pathlib
import struct
import warnings
import zlib

import numpy as np

HERE = pathlib.Path(__file__).parent
NPY = HERE / "npy"
PNG = HERE / "png"


# --- NPY ----------------------------------------------------------------------------------------------------


def npy_bytes(array, version=None):
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # versions 2.0 and 3.0 warn about old readers
        np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def save_npy(name, array, version=None):
    (NPY / f"{name}.npy").write_bytes(npy_bytes(array, version))


def make_npy():
    numbers = np.array([[0, 1, 2], [125, 126, 127]])
    for code in ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]:
        save_npy(code, numbers.astype("<" + code))
        if code[1] != "1":
            save_npy(code + "_big", numbers.astype(">" + code))
    save_npy("b1", numbers > 1)
    save_npy("negative", np.array([-128, -1, 127], "i1"))
    save_npy("fractions", np.array([-1.5, 0.1, 3e38, 1e300, np.inf], "f8"))
    save_npy("large", np.array([[0, 2**64 - 1]], "u8"))
    save_npy("out_of_range", np.where(np.arange(2 * 3 * 6 * 8) == 137, 300, 7).astype("<u2").reshape(2, 3, 6, 8))

    cube = np.arange(2 * 3 * 4, dtype="<u2").reshape(2, 3, 4)
    save_npy("fortran", np.asfortranarray(cube))
    save_npy("fortran_big", np.asfortranarray(cube.astype(">u2")))
    save_npy("version_2", cube, (2, 0))
    save_npy("version_3", cube, (3, 0))
    save_npy("scalar", np.array(7, "u1"))
    save_npy("empty", np.zeros((0, 3), "u1"))

    save_npy("object", np.array([1, "a"], object))
    save_npy("structured", np.array([(1, 2)], [("a", "u1"), ("b", "u2")]))
    save_npy("complex", np.array([1j]))
    save_npy("string", np.array(["ab"]))
    save_npy("bytes", np.array([b"ab"]))
    save_npy("date", np.array(["2020-01-01"], "M8[D]"))

    # Empty arrays of growing rank sweep the header's padding through all its lengths.
    shapes = [(), (0,), (5,), (1, 3, 2, 2), (2, 3), (12, 1)]
    sweep = [(0,) + (1,) * rank for rank in range(1, 33)]
    with open(NPY / "written.txt", "w") as out:
        for code, more in [("u1", sweep), ("<u2", []), ("<f4", [])]:
            for shape in shapes + more:
                array = (np.arange(np.prod(shape, dtype=int)) * 5).reshape(shape).astype(code)
                print(code[-2:], ",".join(map(str, shape)) or "-", npy_bytes(array).hex(), file=out)


# --- PNG ----------------------------------------------------------------------------------------------------

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, contents=b"", crc=None):
    body = name + contents
    return struct.pack(">I", len(contents)) + body + struct.pack(">I", zlib.crc32(body) if crc is None else crc)


def ihdr(width, height, depth, kind, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))


def scanlines(samples, depth):
    """(height, width, samples) as unfiltered scanlines."""
    lines = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            line = flat.astype(">u2").tobytes()
        elif depth == 8:
            line = flat.astype("u1").tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in flat)
            bits += "0" * (-len(bits) % 8)
            line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        lines += b"\0" + line
    return lines


def png(samples, depth, kind, interlaced=False, before=b"", after=b"", data=None):
    height, width = samples.shape[:2]
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        raw = b"".join(scanlines(p, depth) for p in passes if p.size)
    else:
        raw = scanlines(samples, depth)
    idat = zlib.compress(raw, 9) if data is None else data
    header = SIGNATURE + ihdr(width, height, depth, kind, int(interlaced))
    return header + before + chunk(b"IDAT", idat) + after + chunk(b"IEND")


def save_png(name, contents, expected=None):
    (PNG / f"{name}.png").write_bytes(contents)
    if expected is not None:
        (PNG / f"{name}.npy").write_bytes(npy_bytes(np.ascontiguousarray(expected.astype("u1"))))


def make_png():
    rng = np.random.default_rng(0)
    height, width = 5, 7  # odd, so that rows end inside a byte and interlacing has ragged passes
    gray = rng.integers(0, 256, (height, width, 1))
    rgb = rng.integers(0, 256, (height, width, 3))
    opaque = np.full((height, width, 1), 255)
    save_png("gray8", png(gray, 8, GRAY), gray)
    save_png("rgb8", png(rgb, 8, RGB), rgb)
    save_png("gray8_interlaced", png(gray, 8, GRAY, True), gray)
    save_png("rgb8_interlaced", png(rgb, 8, RGB, True), rgb)
    for depth in [1, 2, 4]:
        samples = rng.integers(0, 2**depth, (height, width, 1))
        expanded = samples * (255 // (2**depth - 1))
        save_png(f"gray{depth}", png(samples, depth, GRAY), expanded)
        save_png(f"gray{depth}_interlaced", png(samples, depth, GRAY, True), expanded)
    for depth in [1, 2, 4, 8]:
        entries = min(2**depth, 11)
        palette = rng.integers(0, 256, (entries, 3))
        samples = rng.integers(0, entries, (height, width, 1))
        plte = chunk(b"PLTE", palette.astype("u1").tobytes())
        expanded = palette[samples[..., 0]]
        save_png(f"palette{depth}", png(samples, depth, PALETTE, before=plte), expanded)
        save_png(f"palette{depth}_interlaced", png(samples, depth, PALETTE, True, before=plte), expanded)
    save_png("palette8_opaque", png(samples, 8, PALETTE, before=plte + chunk(b"tRNS", b"\xff" * 3)), expanded)
    save_png("gray_alpha_opaque", png(np.dstack([gray, opaque]), 8, GRAY_ALPHA), gray)
    save_png("rgb_alpha_opaque", png(np.dstack([rgb, opaque]), 8, RGB_ALPHA), rgb)
    save_png("rgb_alpha_opaque_interlaced", png(np.dstack([rgb, opaque]), 8, RGB_ALPHA, True), rgb)
    unused = next(v for v in range(256) if v not in gray)
    save_png("gray_unused_transparent", png(gray, 8, GRAY, before=chunk(b"tRNS", struct.pack(">H", unused))), gray)
    # Values are taken as stored: neither gamma nor a rendering intent nor a (broken) profile changes them.
    colour = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"iCCP", b"broken\0\0" + zlib.compress(b"no profile"))
    save_png("rgb8_gamma", png(rgb, 8, RGB, before=colour), rgb)
    text = chunk(b"tEXt", b"Seed\x0042") + chunk(b"zTXt", b"Packed\0\0" + zlib.compress(b"x" * 10000))
    after = chunk(b"tEXt", b"Comment\0caf\xe9") + chunk(b"tEXt", b"Empty\0")
    save_png("gray8_text", png(gray, 8, GRAY, before=text, after=after), gray)
    save_png("gray8_trailing", png(gray, 8, GRAY) + b"after the end", gray)

    # What must be rejected.
    save_png("bad_gray16", png(gray * 257, 16, GRAY))
    save_png("bad_rgb16", png(rgb * 257, 16, RGB))
    pierced = opaque.copy()
    pierced[3, 5] = 128
    save_png("bad_gray_alpha", png(np.dstack([gray, pierced]), 8, GRAY_ALPHA))
    save_png("bad_rgb_alpha", png(np.dstack([rgb, pierced]), 8, RGB_ALPHA))
    index = np.zeros((height, width, 1), int)
    index[1, 2] = 1
    save_png("bad_palette_alpha", png(index, 8, PALETTE, before=plte + chunk(b"tRNS", b"\xff\x07")))
    half = np.full((height, width, 1), 9)
    half[0, 1] = 1
    save_png("bad_gray_transparent", png(half, 8, GRAY, before=chunk(b"tRNS", b"\0\1")))

    small = SIGNATURE + ihdr(1, 1, 8, GRAY)
    idat, iend = chunk(b"IDAT", zlib.compress(b"\0\7")), chunk(b"IEND")
    save_png("bad_no_header", SIGNATURE + idat + iend)
    save_png("bad_short_header", SIGNATURE + chunk(b"IHDR", b"\0" * 12) + idat + iend)
    save_png("bad_no_data", small + iend)
    save_png("bad_no_end", small + idat)
    save_png("bad_no_palette", png(index, 8, PALETTE))
    save_png("bad_palette_index", png(index + 11, 8, PALETTE, before=plte))
    save_png("bad_checksum", small + chunk(b"IDAT", zlib.compress(b"\0\7"), crc=0) + iend)
    save_png("bad_text_checksum", small + chunk(b"tEXt", b"Seed\x0042", crc=0) + idat + iend)
    save_png("bad_chunk_name", small + chunk(b"ID\n!", b"") + idat + iend)
    save_png("bad_chunk_length", small + struct.pack(">I", 2**32 - 1) + b"IDAT" + b"\0" * 16)
    save_png("bad_critical_chunk", small + chunk(b"ABCD") + idat + iend)
    save_png("bad_second_header", small + ihdr(1, 1, 8, RGB) + idat + iend)
    save_png("bad_width", SIGNATURE + ihdr(0, 1, 8, GRAY) + idat + iend)
    save_png("bad_height", SIGNATURE + ihdr(1, 2**31, 8, GRAY) + idat + iend)
    save_png("bad_kind", SIGNATURE + ihdr(1, 1, 8, 5) + idat + iend)
    save_png("bad_depth", SIGNATURE + ihdr(1, 1, 3, GRAY) + idat + iend)
    save_png("bad_depth_of_kind", SIGNATURE + ihdr(1, 1, 4, RGB) + idat + iend)
    save_png("bad_interlace", SIGNATURE + ihdr(1, 1, 8, GRAY, 2) + idat + iend)
    save_png("bad_huge", SIGNATURE + ihdr(2**31 - 1, 2**31 - 1, 8, RGB_ALPHA) + idat + iend)
    save_png("bad_implausible", SIGNATURE + ihdr(8192, 8192, 8, RGB) + idat + iend)
    save_png("bad_few_rows", png(gray, 8, GRAY, data=zlib.compress(scanlines(gray[:3], 8))))
    save_png("bad_many_rows", png(gray[:3], 8, GRAY, data=zlib.compress(scanlines(gray, 8))))
    save_png("bad_deflate", png(gray, 8, GRAY, data=b"\x78\x9c" + b"\xff" * 40))
    save_png("bad_adler", png(gray, 8, GRAY, data=zlib.compress(scanlines(gray, 8))[:-4] + b"\0\0\0\0"))
    save_png("bad_filter", png(gray, 8, GRAY, data=zlib.compress(b"\x09" + scanlines(gray, 8)[1:])))
    save_png("bad_text", small + chunk(b"tEXt", b"no key and no end") + idat + iend)


if __name__ == "__main__":
    for folder in [NPY, PNG]:
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    make_npy()
    make_png()
