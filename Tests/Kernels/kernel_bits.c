/* Every kernel of every table that this processor can run, on one fixed stream of pseudo-random inputs: one line
   per table, its name and an FNV-1a digest of all output bits. Fails if two tables differ; Tests/Kernels/neon compares
   the lines of two processors. Plain C, so that it builds for a processor for which we have no Swift runtime. Whatever
   could depend on the host's library (libm, rand) stays out: inputs are integers scaled by powers of two. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pixel_kernels.h"

enum { MOST_LANES = 240, MOST_DEPTH = 40, MOST_COLUMNS = 17, GAP = 3, MOST_COUNT = 300 };

static uint64_t state, digest;

/* SplitMix64's upper bits, −1 … 1 in steps of 2^-23, times `scale`, a power of two or a small integer. */
static float random_float(float scale) {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (float)((int32_t)(z >> 40) - (1 << 23)) * 0x1p-23f * scale;
}

static void fill(float *p, ptrdiff_t count, float scale) {
  for (ptrdiff_t i = 0; i < count; i++)
    p[i] = random_float(scale);
}

static void take(const float *p, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, p + i, sizeof bits);
    for (int byte = 0; byte < 4; byte++)
      digest = (digest ^ (bits >> 8 * byte & 0xFF)) * 0x100000001B3u;
  }
}

/* weights: (lanes, depth), packed in panels of at most `panel` vectors. */
static void pack(const float *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, float *packed) {
  for (ptrdiff_t lane = 0; vectors > 0;) {
    ptrdiff_t width = pixel_panel_width(vectors, panel);
    for (ptrdiff_t k = 0; k < depth; k++)
      for (ptrdiff_t m = 0; m < width * PIXEL_LANES; m++)
        *packed++ = weights[(lane + m) * depth + k];
    lane += width * PIXEL_LANES;
    vectors -= width;
  }
}

/* The same in 16-bit integers, two per word, behind scales and inverses of powers of two: sums stay below 2^31, and
   inputs reach past the limit, too. */
static void pack_i16(const float *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, uint32_t *packed) {
  ptrdiff_t lanes = vectors * PIXEL_LANES, inverses = (depth + PIXEL_LANES - 1) / PIXEL_LANES * PIXEL_LANES;
  float limit = pixel_i16_limit(depth);
  for (ptrdiff_t i = 0; i < lanes + inverses; i++) {
    float value = i < lanes ? 0x1p-20f : i - lanes < depth ? limit * 0.75f : 0;
    memcpy(packed++, &value, sizeof value);
  }
  float most = depth * limit < 0x1p16f ? 0x7fff : 0x1.fffffep30f / (float)depth / limit;
  for (ptrdiff_t lane = 0; vectors > 0;) {
    ptrdiff_t width = pixel_panel_width(vectors, panel);
    for (ptrdiff_t k = 0; k < depth; k += 2)
      for (ptrdiff_t m = 0; m < width * PIXEL_LANES; m++) {
        const float *weight = weights + (lane + m) * depth + k;
        uint32_t low = (uint16_t)(int16_t)(weight[0] * most);
        *packed++ = low | (k + 1 < depth ? (uint32_t)(uint16_t)(int16_t)(weight[1] * most) << 16 : 0);
      }
    lane += width * PIXEL_LANES;
    vectors -= width;
  }
}

/* Every width from one panel to several, every number of columns that a tile has, at three depths. */
static void accumulate(const pixel_kernels *table) {
  static const ptrdiff_t depths[] = {1, 7, MOST_DEPTH};
  static float weights[MOST_LANES * MOST_DEPTH], packed[MOST_LANES * MOST_DEPTH];
  static uint32_t integers[MOST_LANES * (1 + (MOST_DEPTH + 1) / 2) + MOST_DEPTH + PIXEL_LANES];
  static float x[MOST_COLUMNS * (MOST_DEPTH + GAP)], y[MOST_COLUMNS * (MOST_LANES + GAP)], start[sizeof y / sizeof *y];
  for (ptrdiff_t vectors = 1; vectors <= MOST_LANES / PIXEL_LANES; vectors++)
    for (int d = 0; d < 3; d++)
      for (ptrdiff_t columns = 1; columns <= MOST_COLUMNS; columns++) {
        /* A third of the widths at the greatest depth, which takes most of the time. */
        if (d == 2 && vectors % 3 != 2)
          continue;
        ptrdiff_t depth = depths[d], y_stride = vectors * PIXEL_LANES + GAP;
        /* Rows apart, or overlapping as the taps of a convolution do. */
        ptrdiff_t x_stride = columns % 2 ? depth + GAP : (depth + 1) / 2;
        fill(weights, vectors * PIXEL_LANES * depth, 1);
        fill(x, columns * (depth + GAP), 2);
        fill(y, columns * y_stride, 4);
        /* Either of the table's panels; all are the same on a table that has one. */
        ptrdiff_t panel = columns % 3 ? table->wide_panel : table->narrow_panel;
        pack(weights, depth, vectors, panel, packed);
        table->accumulate(packed, depth, vectors, panel, x, x_stride, y, y_stride, y, y_stride, columns);
        memcpy(start, y, sizeof y);
        take(y, columns * y_stride); /* the gaps too: nothing may be written there */

        pack_i16(weights, depth, vectors, panel, integers);
        table->accumulate_i16(integers, depth, vectors, panel, x, x_stride, start, columns % 2 ? y_stride : 0, y,
                              y_stride, columns);
        take(y, columns * y_stride);
      }
}

/* The kernels over channels, at counts below, at and above whole vectors. */
static void elementwise(const pixel_kernels *table) {
  static const ptrdiff_t counts[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,  11,  12,
                                     13, 14, 15, 16, 17, 31, 32, 33, 40, 120, 256, MOST_COUNT};
  enum { COLUMNS = 3, SIZE = COLUMNS * (MOST_COUNT + GAP) + PIXEL_LANES };
  static float a[SIZE], b[SIZE], y[SIZE];
  static float wide[(2 * COLUMNS + 2) * (MOST_COUNT + GAP)], wide_y[2 * COLUMNS * (MOST_COUNT + GAP)];
  for (int c = 0; c < (int)(sizeof counts / sizeof *counts); c++)
    for (float scale = 0x1p-12f; scale <= 128; scale *= 8) {
      ptrdiff_t count = counts[c], stride = count + GAP;
      fill(a, SIZE, scale);
      fill(b, SIZE, scale);
      a[0] = -0.0f;
      fill(y, SIZE, 1);
      fill(wide, sizeof wide / sizeof *wide, scale);
      fill(wide_y, sizeof wide_y / sizeof *wide_y, 1);
      table->gate(a, b, stride, y, stride, count, COLUMNS);
      take(y, SIZE);
      table->normalize(a, stride, b, b + stride, y, stride, count, COLUMNS);
      take(y, SIZE);
      for (ptrdiff_t columns = 1; columns <= 2 * COLUMNS; columns++) {
        float v[4 * COLUMNS * MOST_COUNT];
        table->winograd_inputs(wide, stride, v, count, columns);
        take(v, 4 * ((columns + 1) / 2) * count);
        table->winograd_outputs(v, wide_y, stride, count, columns);
        take(wide_y, columns * stride);
      }
      table->rectify(a, stride, y, stride, count, COLUMNS);
      take(y, SIZE);
      table->add(a, stride, y, stride, count, COLUMNS);
      table->add(b, 0, y, stride, count, COLUMNS);
      take(y, SIZE);
      table->scale(a, stride, b, b + stride, y, stride, count, COLUMNS);
      take(y, SIZE);
      table->elu(a, stride, y, stride, count, COLUMNS);
      take(y, SIZE);
      float most = table->maximum(a, count);
      take(&most, 1);
      static const float temperatures[] = {1, 0.7f, 0.01f};
      for (int t = 0; t < 3; t++) {
        table->exponentials(a, count, most, temperatures[t], y);
        take(y, SIZE);
        float total = table->prefix_sums(y, count, y);
        take(y, SIZE);
        take(&total, 1);
      }
    }
}

int main(void) {
  uint64_t first = 0;
  pixel_kernels_reset_float_state();
  for (ptrdiff_t position = 0; pixel_kernels_available(position); position++) {
    const pixel_kernels *table = pixel_kernels_available(position);
    state = 1;
    digest = 0xCBF29CE484222325u;
    accumulate(table);
    elementwise(table);
    printf("%-10s %016llx\n", table->name, (unsigned long long)digest);
    if (position == 0)
      first = digest;
    if (digest != first) {
      fprintf(stderr, "%s does not compute the bits of %s\n", table->name, pixel_kernels_available(0)->name);
      return EXIT_FAILURE;
    }
  }
  return EXIT_SUCCESS;
}
