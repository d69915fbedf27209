// PNG in memory, through libpng's classic interface. libpng reports errors by longjmp, which must never cross a Swift
// frame: every setjmp, and everything it protects, stays in cpng.c. Chunk structure, limits and the choice of output
// layout belong to the caller (ImageFormats); here is only what needs libpng and zlib. Nothing is written to stderr.

#ifndef CPNG_H
#define CPNG_H

#include <stddef.h>
#include <stdint.h>

/// Size of an error message's buffer in bytes, with its NUL.
#define CPNG_ERROR_SIZE 192

/// The CRC-32 that closes a PNG chunk, of `length` bytes.
uint32_t cpng_crc32(const uint8_t *bytes, size_t length);

/// Decodes a whole PNG of at most 8 bits per sample into `pixels`: (height, row_bytes), 8 bits per sample.
///
/// Gray of 1, 2 and 4 bits becomes 8, and a transparent colour becomes an alpha channel; samples are otherwise as
/// stored (no gamma or colour management). Palette images give their indices, 8 bits each and not compared with the
/// palette's length. `height` and `row_bytes` are what the caller read from the header and allocated; a file that
/// disagrees is an error. Warnings about image data count as errors, and ancillary chunks are skipped.
///
/// Returns 0, or -1 with a message in `error` (CPNG_ERROR_SIZE bytes).
int cpng_decode(const uint8_t *bytes, size_t length, uint8_t *pixels, uint32_t height, size_t row_bytes, char *error);

/// Encodes `pixels`, (height, width, channels) with 1 (gray) or 3 (RGB) channels of 8 bits.
///
/// `text` holds `text_count` pairs of NUL-terminated Latin-1 strings (keyword, value, keyword, value …) that become
/// tEXt chunks ahead of the image. The same arguments give the same bytes.
///
/// Returns 0 and the file in `*file` (release it with cpng_free) and `*file_length`, or -1 with a message in `error`.
int cpng_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const char *text,
                size_t text_count, uint8_t **file, size_t *file_length, char *error);

/// Releases a file made by cpng_encode. NULL is allowed.
void cpng_free(uint8_t *file);

#endif
