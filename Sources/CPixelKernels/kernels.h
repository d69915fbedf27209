/* The kernels, written once. An instruction set's file defines NAME, its panels' widths and the columns of its register
   tiles, sets the target, and includes this. Shapes and contracts: pixel_kernels.h. */
#include "vector.h"

enum { MOST_COLUMNS = 14, CACHE_LINE = 64, AHEAD_OF_ONE_COLUMN = 2048 };

#define UNROLL _Pragma("clang loop unroll(full)")
#define prefetch(address, locality) __builtin_prefetch((const void *)(address), 0, locality)

/* A register tile: MV vectors of outputs for NC columns. One load of a weight vector feeds NC multiply-adds, one
   broadcast feeds MV. The accumulators live in registers across the whole depth. Meanwhile `lines` cache lines per
   step are prefetched from `ahead` on: see multiply.

   One column has little to do with each weight and waits for the next from L3. Matrices that are used one after the
   other mostly lie so in memory, and most are short: 2 KB ahead reaches past their ends. A prefetch never faults. */
#define TILE_START(MV, NC)                                                                                             \
  f32x16 sum[NC][MV];                                                                                                  \
  UNROLL for (int j = 0; j < NC; j++) UNROLL for (int v = 0; v < MV; v++) sum[j][v] =                                  \
      load(y + j * ys + v * PIXEL_LANES);
#define TILE_ADD(MV, NC, K)                                                                                            \
  UNROLL for (int j = 0; j < NC; j++) {                                                                                \
    f32x16 value = splat(x[j * xs + (K)]);                                                                             \
    UNROLL for (int v = 0; v < MV; v++) sum[j][v] = fma16(weight[v], value, sum[j][v]);                                \
  }
#define TILE_FETCH(NC, V)                                                                                              \
  if (NC == 1)                                                                                                         \
    prefetch((uintptr_t)(w + PIXEL_LANES * (V)) + AHEAD_OF_ONE_COLUMN, 3);                                             \
  else if ((V) < lines)                                                                                                \
    prefetch(ahead + CACHE_LINE * (V), 2);
#define TILE_END(MV, NC)                                                                                               \
  UNROLL for (int j = 0; j < NC; j++) UNROLL for (int v = 0; v < MV; v++)                                              \
      store(y + j * ys + v * PIXEL_LANES, sum[j][v]);
#define TILE(MV, NC)                                                                                                   \
  static void tile_##MV##x##NC(const void *weights, ptrdiff_t depth, const float *x, ptrdiff_t xs, float *y,           \
                               ptrdiff_t ys, uintptr_t ahead, ptrdiff_t lines) {                                       \
    const float *w = weights;                                                                                          \
    TILE_START(MV, NC)                                                                                                 \
    for (; depth > 0; depth--, w += MV * PIXEL_LANES, x++, ahead += lines * CACHE_LINE) {                              \
      f32x16 weight[MV];                                                                                               \
      UNROLL for (int v = 0; v < MV; v++) {                                                                            \
        weight[v] = load(w + v * PIXEL_LANES);                                                                         \
        TILE_FETCH(NC, v)                                                                                              \
      }                                                                                                                \
      TILE_ADD(MV, NC, 0)                                                                                              \
    }                                                                                                                  \
    TILE_END(MV, NC)                                                                                                   \
  }

/* The same with two bf16 weights per lane, of steps k and k + 1. The arithmetic is that of floats. */
#define TILE_BF16(MV, NC)                                                                                              \
  static void tile_bf16_##MV##x##NC(const void *weights, ptrdiff_t depth, const float *x, ptrdiff_t xs, float *y,      \
                                    ptrdiff_t ys, uintptr_t ahead, ptrdiff_t lines) {                                  \
    const uint32_t *w = weights;                                                                                       \
    TILE_START(MV, NC)                                                                                                 \
    for (; depth > 0; depth -= 2, w += MV * PIXEL_LANES, x += 2, ahead += lines * CACHE_LINE) {                        \
      u32x16 pairs[MV];                                                                                                \
      f32x16 weight[MV];                                                                                               \
      UNROLL for (int v = 0; v < MV; v++) {                                                                            \
        pairs[v] = load_pairs(w + v * PIXEL_LANES);                                                                    \
        weight[v] = low_of_pairs(pairs[v]);                                                                            \
        TILE_FETCH(NC, v)                                                                                              \
      }                                                                                                                \
      TILE_ADD(MV, NC, 0)                                                                                              \
      if (depth == 1)                                                                                                  \
        break;                                                                                                         \
      UNROLL for (int v = 0; v < MV; v++) weight[v] = high_of_pairs(pairs[v]);                                         \
      TILE_ADD(MV, NC, 1)                                                                                              \
    }                                                                                                                  \
    TILE_END(MV, NC)                                                                                                   \
  }

typedef void (*tile_function)(const void *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, uintptr_t,
                              ptrdiff_t);

/* TILES names the tiles which fit this instruction set's registers, by vectors and columns; the tables below
   find them. */
/* clang-format off */
#define TILES_1(NAME_OF)                                                                                               \
  NAME_OF(1, 1) NAME_OF(1, 2) NAME_OF(1, 3) NAME_OF(1, 4) NAME_OF(1, 5) NAME_OF(1, 6)
#define TILES_1_WIDE(NAME_OF)                                                                                          \
  NAME_OF(1, 7) NAME_OF(1, 8) NAME_OF(1, 9) NAME_OF(1, 10) NAME_OF(1, 11) NAME_OF(1, 12) NAME_OF(1, 13) NAME_OF(1, 14)
#define TILES_2(NAME_OF)                                                                                               \
  NAME_OF(2, 1) NAME_OF(2, 2) NAME_OF(2, 3) NAME_OF(2, 4) NAME_OF(2, 5) NAME_OF(2, 6) NAME_OF(2, 7) NAME_OF(2, 8)      \
  NAME_OF(2, 9) NAME_OF(2, 10) NAME_OF(2, 11) NAME_OF(2, 12)
#define TILES_3(NAME_OF)                                                                                               \
  NAME_OF(3, 1) NAME_OF(3, 2) NAME_OF(3, 3) NAME_OF(3, 4) NAME_OF(3, 5) NAME_OF(3, 6) NAME_OF(3, 7) NAME_OF(3, 8)
#define TILES_4(NAME_OF)                                                                                               \
  NAME_OF(4, 1) NAME_OF(4, 2) NAME_OF(4, 3) NAME_OF(4, 4) NAME_OF(4, 5) NAME_OF(4, 6)
#define TILES_5(NAME_OF) NAME_OF(5, 1) NAME_OF(5, 2) NAME_OF(5, 3) NAME_OF(5, 4) NAME_OF(5, 5)
/* clang-format on */

#define TABLE_ENTRY(MV, NC) [MV][NC] = tile_##MV##x##NC,
#define TABLE_ENTRY_BF16(MV, NC) [MV][NC] = tile_bf16_##MV##x##NC,
typedef tile_function tile_table[WIDE_PANEL + 1][MOST_COLUMNS + 1];
TILES(TILE)
TILES(TILE_BF16)
static const tile_table tiles = {TILES(TABLE_ENTRY)}, tiles_bf16 = {TILES(TABLE_ENTRY_BF16)};
static const ptrdiff_t tile_columns[WIDE_PANEL + 1] = {TILE_COLUMNS};

/* `steps` rows of 32-bit lanes hold the weights of a panel. */
INLINE void multiply(const tile_table tiles, const uint32_t *weights, ptrdiff_t steps, ptrdiff_t depth,
                     ptrdiff_t vectors, ptrdiff_t panel, const float *x, ptrdiff_t x_stride, float *y,
                     ptrdiff_t y_stride, ptrdiff_t columns) {
  while (vectors > 0) {
    ptrdiff_t width = pixel_panel_width(vectors, panel);
    const uint32_t *next = weights + steps * width * PIXEL_LANES;
    /* The tiles have as nearly equal numbers of columns as possible: 32 columns are 5·4 + 4·3, never 5·6 + 2. */
    ptrdiff_t blocks = (columns + tile_columns[width] - 1) / tile_columns[width];
    /* While a panel's tiles use its weights again and again, they fetch the panel which follows in memory, in equal
       shares, so that its first tile does not wait for L3. */
    uintptr_t ahead = (uintptr_t)next;
    ptrdiff_t lines = width;
    for (ptrdiff_t j = 0; blocks > 0; blocks--) {
      ptrdiff_t count = (columns - j + blocks - 1) / blocks, share = (lines + blocks - 1) / blocks;
      tiles[width][count](weights, depth, x + j * x_stride, x_stride, y + j * y_stride, y_stride, ahead, share);
      ahead += (uintptr_t)(share * steps * CACHE_LINE);
      lines -= share;
      j += count;
    }
    weights = next;
    y += width * PIXEL_LANES;
    vectors -= width;
  }
}

static void accumulate(const float *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, const float *x,
                       ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t columns) {
  multiply(tiles, (const uint32_t *)weights, depth, depth, vectors, panel, x, x_stride, y, y_stride, columns);
}

static void accumulate_bf16(const uint32_t *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel,
                            const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t columns) {
  multiply(tiles_bf16, weights, (depth + 1) / 2, depth, vectors, panel, x, x_stride, y, y_stride, columns);
}

static void winograd_inputs(const float *x, ptrdiff_t x_stride, float *v, ptrdiff_t count, ptrdiff_t columns) {
  ptrdiff_t position = (columns + 1) / 2 * count;
  for (; columns > 0; columns -= 2, x += 2 * x_stride, v += count)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 d0 = load_at(x, i, count, 0), d1 = load_at(x + x_stride, i, count, 0);
      f32x16 d2 = load_at(x + 2 * x_stride, i, count, 0);
      f32x16 d3 = columns > 1 ? load_at(x + 3 * x_stride, i, count, 0) : splat(0);
      store_at(v, i, count, d0 - d2);
      store_at(v + position, i, count, d1 + d2);
      store_at(v + 2 * position, i, count, d2 - d1);
      store_at(v + 3 * position, i, count, d1 - d3);
    }
}

static void winograd_outputs(const float *m, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  ptrdiff_t position = (columns + 1) / 2 * count;
  for (; columns > 0; columns -= 2, m += count, y += 2 * y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 m0 = load_at(m, i, count, 0), m1 = load_at(m + position, i, count, 0);
      f32x16 m2 = load_at(m + 2 * position, i, count, 0), m3 = load_at(m + 3 * position, i, count, 0);
      store_at(y, i, count, (m0 + m1) + m2);
      if (columns > 1)
        store_at(y + y_stride, i, count, (m1 - m2) - m3);
    }
}

static void gate(const float *a, const float *b, ptrdiff_t stride, float *y, ptrdiff_t y_stride, ptrdiff_t count,
                 ptrdiff_t columns) {
  for (; columns > 0; columns--, a += stride, b += stride, y += y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(y, i, count, gate16(load_at(a, i, count, 0), load_at(b, i, count, 0)));
}

/* The mean of x[0 … count), and 1 / σ with the layer norm's 1e-5. */
INLINE void moments(const float *x, ptrdiff_t count, float *mean, float *inverse) {
  f32x16 sum = splat(0);
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
    sum += load_at(x, i, count, 0);
  float m = sum_of_lanes(sum) / (float)count;
  f32x16 squares = splat(0);
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 centred = load_at(x, i, count, m) - m;
    squares = fma16(centred, centred, squares);
  }
  *mean = m;
  *inverse = 1.0f / __builtin_sqrtf(sum_of_lanes(squares) / (float)count + 1e-5f);
}

static void normalize(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float *y,
                      ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, y += y_stride) {
    float mean, inverse;
    moments(x, count, &mean, &inverse);
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 scaled = (load_at(x, i, count, 0) - mean) * inverse;
      store_at(y, i, count, fma16(scaled, load_at(weight, i, count, 0), load_at(bias, i, count, 0)));
    }
  }
}

static void rectify(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count,
                    ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, y += y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(y, i, count, at_least(load_at(x, i, count, 0), 0));
}

static void add(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, y += y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(y, i, count, load_at(y, i, count, 0) + load_at(x, i, count, 0));
}

static void scale(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float *y,
                  ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, y += y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(y, i, count, fma16(load_at(x, i, count, 0), load_at(weight, i, count, 0), load_at(bias, i, count, 0)));
}

static void elu(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, y += y_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(y, i, count, elu16(load_at(x, i, count, 0)));
}

static float maximum(const float *x, ptrdiff_t count) {
  f32x16 most = splat(x[0]);
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 v = load_at(x, i, count, x[0]);
    most = v > most ? v : most;
  }
  float result = most[0];
  for (int i = 1; i < PIXEL_LANES; i++)
    result = most[i] > result ? most[i] : result;
  return result;
}

static void exponentials(const float *x, ptrdiff_t count, float maximum, float temperature, float *y) {
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 v = load_at(x, i, count, -__builtin_inff());
    store(y + i, exp_not_positive((v - maximum) / temperature));
  }
}

#define SHIFTED(v, by)                                                                                                 \
  __builtin_shufflevector(splat(0), v, 16 - by, 17 - by, 18 - by, 19 - by, 20 - by, 21 - by, 22 - by, 23 - by,         \
                          24 - by, 25 - by, 26 - by, 27 - by, 28 - by, 29 - by, 30 - by, 31 - by)

static float prefix_sums(const float *x, ptrdiff_t count, float *y) {
  float total = 0;
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 v = load(x + i);
    v += SHIFTED(v, 1);
    v += SHIFTED(v, 2);
    v += SHIFTED(v, 4);
    v += SHIFTED(v, 8);
    v += total;
    store(y + i, v);
    total = v[15];
  }
  return total;
}

#define TABLE_NAME_(name) pixel_kernels_##name
#define TABLE_NAME(name) TABLE_NAME_(name)
#define STRING_(name) #name
#define STRING(name) STRING_(name)

const pixel_kernels TABLE_NAME(NAME) = {
    .name = STRING(NAME),
    .wide_panel = WIDE_PANEL,
    .narrow_panel = NARROW_PANEL,
    .accumulate = accumulate,
    .accumulate_bf16 = accumulate_bf16,
    .winograd_inputs = winograd_inputs,
    .winograd_outputs = winograd_outputs,
    .gate = gate,
    .normalize = normalize,
    .rectify = rectify,
    .add = add,
    .scale = scale,
    .elu = elu,
    .maximum = maximum,
    .exponentials = exponentials,
    .prefix_sums = prefix_sums,
};
