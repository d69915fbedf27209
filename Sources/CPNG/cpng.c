// See cpng.h. Variables that live across setjmp are either never changed after it or live in a struct whose address is
// taken (source, sink), so no local can be left in a register by the jump back.

#include "cpng.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// MARK: - Errors

static void on_error(png_structp png, png_const_charp message) {
  snprintf(png_get_error_ptr(png), CPNG_ERROR_SIZE, "%s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  // libpng's default prints to stderr.
  (void)png;
  (void)message;
}

static int out_of_memory(char *error) {
  snprintf(error, CPNG_ERROR_SIZE, "out of memory");
  return -1;
}

uint32_t cpng_crc32(const uint8_t *bytes, size_t length) {
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, length);
}

// MARK: - Decoding

struct source {
  const uint8_t *bytes;
  size_t remaining;
};

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  struct source *source = png_get_io_ptr(png);
  if (count > source->remaining)
    png_error(png, "unexpected end of file");
  memcpy(out, source->bytes, count);
  source->bytes += count;
  source->remaining -= count;
}

int cpng_decode(const uint8_t *bytes, size_t length, uint8_t *pixels, uint32_t height, size_t row_bytes, char *error) {
  struct source source = {bytes, length};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, on_error, on_warning);
  if (png == NULL)
    return out_of_memory(error);
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_read_struct(&png, NULL, NULL);
    return out_of_memory(error);
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return -1;
  }
  png_set_read_fn(png, &source, read_bytes);

  // Strict: what libpng would merely warn of (surplus data, a damaged checksum) can mean other pixels.
  png_set_benign_errors(png, 0);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  // Colour profiles, compressed text and the like are neither wanted nor worth the memory they could unpack to.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  // The caller limits the picture by its area; libpng's own limit on each side would refuse long grids.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);

  png_read_info(png, info);
  // libpng would show an index beyond the palette as black; the caller looks indices up and refuses it.
  if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE)
    png_set_packing(png);
  else
    png_set_expand(png);
  png_set_check_for_invalid_index(png, 0);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_image_height(png, info) != height || png_get_rowbytes(png, info) != row_bytes ||
      png_get_bit_depth(png, info) != 8)
    png_error(png, "image layout differs from its header");

  for (int pass = 0; pass < passes; pass++)
    for (uint32_t row = 0; row < height; row++)
      png_read_row(png, pixels + row * row_bytes, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}

// MARK: - Encoding

struct sink {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
};

static void write_bytes(png_structp png, png_bytep data, size_t count) {
  struct sink *sink = png_get_io_ptr(png);
  if (count > sink->capacity - sink->count) {
    if (count > SIZE_MAX / 4 || sink->capacity > SIZE_MAX / 4)
      png_error(png, "file too large");
    size_t capacity = 2 * sink->capacity + count + 4096;
    uint8_t *grown = realloc(sink->bytes, capacity);
    if (grown == NULL)
      png_error(png, "out of memory");
    sink->bytes = grown;
    sink->capacity = capacity;
  }
  memcpy(sink->bytes + sink->count, data, count);
  sink->count += count;
}

static void flush_bytes(png_structp png) { (void)png; }

static void set_text(png_structp png, png_infop info, const char *text, size_t count) {
  for (size_t i = 0; i < count; i++) {
    // png_set_text copies both strings; its struct merely lacks the const.
    png_text chunk = {.compression = PNG_TEXT_COMPRESSION_NONE};
    chunk.key = (char *)text;
    text += strlen(text) + 1;
    chunk.text = (char *)text;
    chunk.text_length = strlen(text);
    text += chunk.text_length + 1;
    png_set_text(png, info, &chunk, 1);
  }
}

int cpng_encode(const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const char *text,
                size_t text_count, uint8_t **file, size_t *file_length, char *error) {
  struct sink sink = {NULL, 0, 0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, error, on_error, on_warning);
  if (png == NULL)
    return out_of_memory(error);
  png_infop info = png_create_info_struct(png);
  if (info == NULL) {
    png_destroy_write_struct(&png, NULL);
    return out_of_memory(error);
  }
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    free(sink.bytes);
    return -1;
  }
  png_set_write_fn(png, &sink, write_bytes, flush_bytes);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, 6); // zlib's own default, named so that the bytes do not depend on libpng's choice
  png_set_IHDR(png, info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  set_text(png, info, text, text_count);
  png_write_info(png, info);
  size_t row_bytes = (size_t)width * (size_t)channels;
  for (uint32_t row = 0; row < height; row++)
    png_write_row(png, pixels + row * row_bytes);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  *file = sink.bytes;
  *file_length = sink.count;
  return 0;
}

void cpng_free(uint8_t *file) { free(file); }
