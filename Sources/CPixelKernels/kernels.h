/* The kernels, written once. An instruction set's file defines NAME, its panels' widths and the columns of its register
   tiles, sets the target, and includes this. Shapes and contracts: pixel_kernels.h. */
#include "vector.h"

/* QUANTIZED: integers of columns at once, 32 KB of stack. MOST_HELD: vectors of a row that is held, MOST_ROWS: rows. */
enum { MOST_COLUMNS = 14, FEW_COLUMNS = 8, MOST_HELD = 3, MOST_ROWS = 4, QUANTIZED = 16 * PIXEL_I16_DEPTH };
enum { CACHE_LINE = 64, AHEAD_OF_PIXELS = 2048, AHEAD_OF_ROWS = 12288 };

#define UNROLL _Pragma("clang loop unroll(full)")
#define prefetch(address, locality) __builtin_prefetch((const void *)(address), 0, locality)

/* A register tile: MV vectors of outputs for NC columns. One load of a weight vector feeds NC multiply-adds, one
   broadcast feeds MV. The accumulators live in registers across the whole depth. Meanwhile `lines` cache lines per
   step are prefetched from `ahead` on: see FOR_EACH_TILE.

   Where all columns of a product are one tile, these are its own weights, which come from L3 and for which so few
   columns wait. Matrices that are used one after the other mostly lie so in memory, and those of pixels are short, so
   some of what is fetched is past their ends. A prefetch never faults. */
#define TILE_FETCH(NC, V)                                                                                              \
  if ((V) < lines)                                                                                                     \
    prefetch(ahead + CACHE_LINE * (V), (NC) <= FEW_COLUMNS ? 3 : 2);
#define TILE(MV, NC)                                                                                                   \
  static void tile_##MV##x##NC(const float *w, ptrdiff_t depth, const float *x, ptrdiff_t xs, const float *start,      \
                               ptrdiff_t ss, float *y, ptrdiff_t ys, uintptr_t ahead, ptrdiff_t lines) {               \
    f32x16 sum[NC][MV];                                                                                                \
    UNROLL for (int j = 0; j < NC; j++) UNROLL for (int v = 0; v < MV; v++) sum[j][v] =                                \
        load(start + j * ss + v * PIXEL_LANES);                                                                        \
    for (; depth > 0; depth--, w += MV * PIXEL_LANES, x++, ahead += lines * CACHE_LINE) {                              \
      f32x16 weight[MV];                                                                                               \
      UNROLL for (int v = 0; v < MV; v++) {                                                                            \
        weight[v] = load(w + v * PIXEL_LANES);                                                                         \
        TILE_FETCH(NC, v)                                                                                              \
      }                                                                                                                \
      UNROLL for (int j = 0; j < NC; j++) {                                                                            \
        f32x16 value = splat(x[j * xs]);                                                                               \
        UNROLL for (int v = 0; v < MV; v++) sum[j][v] = fma16(weight[v], value, sum[j][v]);                            \
      }                                                                                                                \
    }                                                                                                                  \
    UNROLL for (int j = 0; j < NC; j++) UNROLL for (int v = 0; v < MV; v++)                                            \
        store(y + j * ys + v * PIXEL_LANES, sum[j][v]);                                                                \
  }

/* The same in integers: 32 bits hold two numbers, of depths k and k + 1, and a step adds both products. Nothing is
   rounded before the end, so the order of the sums is free. */
#define TILE_I16(MV, NC)                                                                                               \
  static void tile_i16_##MV##x##NC(const uint32_t *w, ptrdiff_t steps, const uint32_t *x, ptrdiff_t xs,                \
                                   const float *start, ptrdiff_t ss, float *y, ptrdiff_t ys, const float *scales,      \
                                   uintptr_t ahead, ptrdiff_t lines) {                                                 \
    i32x16 sum[NC][MV];                                                                                                \
    UNROLL for (int j = 0; j < NC; j++) UNROLL for (int v = 0; v < MV; v++) sum[j][v] = (i32x16)(0);                   \
    for (; steps > 0; steps--, w += MV * PIXEL_LANES, x++, ahead += lines * CACHE_LINE) {                              \
      u32x16 weight[MV];                                                                                               \
      UNROLL for (int v = 0; v < MV; v++) {                                                                            \
        weight[v] = load_pairs(w + v * PIXEL_LANES);                                                                   \
        TILE_FETCH(NC, v)                                                                                              \
      }                                                                                                                \
      UNROLL for (int j = 0; j < NC; j++) {                                                                            \
        u32x16 pair = (u32x16)(x[j * xs]);                                                                             \
        UNROLL for (int v = 0; v < MV; v++) sum[j][v] = add_products(weight[v], pair, sum[j][v]);                      \
      }                                                                                                                \
    }                                                                                                                  \
    UNROLL for (int v = 0; v < MV; v++) {                                                                              \
      f32x16 scale = load(scales + v * PIXEL_LANES);                                                                   \
      UNROLL for (int j = 0; j < NC; j++) {                                                                            \
        f32x16 first = load(start + j * ss + v * PIXEL_LANES);                                                         \
        store(y + j * ys + v * PIXEL_LANES, fma16(__builtin_convertvector(sum[j][v], f32x16), scale, first));          \
      }                                                                                                                \
    }                                                                                                                  \
  }

typedef void (*tile_function)(const float *, ptrdiff_t, const float *, ptrdiff_t, const float *, ptrdiff_t, float *,
                              ptrdiff_t, uintptr_t, ptrdiff_t);
typedef void (*tile_i16_function)(const uint32_t *, ptrdiff_t, const uint32_t *, ptrdiff_t, const float *, ptrdiff_t,
                                  float *, ptrdiff_t, const float *, uintptr_t, ptrdiff_t);

/* TILES names the tiles which fit this instruction set's registers, by vectors and columns; the tables below
   find them. */
/* clang-format off */
#define TILES_1(NAME_OF)                                                                                               \
  NAME_OF(1, 1) NAME_OF(1, 2) NAME_OF(1, 3) NAME_OF(1, 4) NAME_OF(1, 5) NAME_OF(1, 6)
#define TILES_1_WIDE(NAME_OF)                                                                                          \
  NAME_OF(1, 7) NAME_OF(1, 8) NAME_OF(1, 9) NAME_OF(1, 10) NAME_OF(1, 11) NAME_OF(1, 12) NAME_OF(1, 13) NAME_OF(1, 14)
#define TILES_2(NAME_OF) NAME_OF(2, 1) NAME_OF(2, 2)
#define TILES_2_WIDE(NAME_OF)                                                                                          \
  NAME_OF(2, 3) NAME_OF(2, 4) NAME_OF(2, 5) NAME_OF(2, 6) NAME_OF(2, 7) NAME_OF(2, 8) NAME_OF(2, 9) NAME_OF(2, 10)     \
  NAME_OF(2, 11) NAME_OF(2, 12)
#define TILES_3(NAME_OF)                                                                                               \
  NAME_OF(3, 1) NAME_OF(3, 2) NAME_OF(3, 3) NAME_OF(3, 4) NAME_OF(3, 5) NAME_OF(3, 6) NAME_OF(3, 7) NAME_OF(3, 8)
#define TILES_4(NAME_OF)                                                                                               \
  NAME_OF(4, 1) NAME_OF(4, 2) NAME_OF(4, 3) NAME_OF(4, 4) NAME_OF(4, 5) NAME_OF(4, 6)
#define TILES_5(NAME_OF) NAME_OF(5, 1) NAME_OF(5, 2) NAME_OF(5, 3) NAME_OF(5, 4) NAME_OF(5, 5)
/* clang-format on */

#define TABLE_ENTRY(MV, NC) [MV][NC] = tile_##MV##x##NC,
#define TABLE_ENTRY_I16(MV, NC) [MV][NC] = tile_i16_##MV##x##NC,
TILES(TILE)
TILES(TILE_I16)
static const tile_function tiles[WIDE_PANEL + 1][MOST_COLUMNS + 1] = {TILES(TABLE_ENTRY)};
static const tile_i16_function tiles_i16[WIDE_PANEL + 1][MOST_COLUMNS + 1] = {TILES(TABLE_ENTRY_I16)};
static const ptrdiff_t tile_columns[WIDE_PANEL + 1] = {TILE_COLUMNS};

/* For each panel `tile(width, weights, first column, columns, lane, ahead, lines)`, of as nearly equal numbers of
   columns as possible: 32 columns are 5·4 + 4·3, never 5·6 + 2. `steps` rows of 32-bit lanes hold a panel's weights.

   While a panel's tiles use its weights again and again, they fetch the panel which follows in memory, in equal shares,
   so that its first tile does not wait for L3. A single tile fetches what is a little ahead. */
#define FOR_EACH_TILE(TYPE, WEIGHTS, STEPS, VECTORS, PANEL, COLUMNS, CALL)                                             \
  {                                                                                                                    \
    const TYPE *w = WEIGHTS;                                                                                           \
    ptrdiff_t lane = 0, planned = 0;                                                                                   \
    ptrdiff_t blocks = 0, columns_each = 0, columns_more = 0, lines_each = 0, lines_more = 0;                          \
    for (ptrdiff_t left = (COLUMNS) > 0 ? VECTORS : 0; left > 0;) {                                                    \
      ptrdiff_t width = pixel_panel_width(left, PANEL);                                                                \
      const TYPE *next = w + (STEPS)*width * PIXEL_LANES;                                                              \
      if (width != planned) { /* divisions, which would delay short products: most panels are as wide as the first */  \
        planned = width, blocks = 1, columns_each = COLUMNS, columns_more = 0, lines_each = width, lines_more = 0;     \
        if ((COLUMNS) > tile_columns[width]) {                                                                         \
          blocks = ((COLUMNS) + tile_columns[width] - 1) / tile_columns[width];                                        \
          columns_each = (COLUMNS) / blocks, columns_more = (COLUMNS) % blocks;                                        \
          lines_each = width / blocks, lines_more = width % blocks;                                                    \
        }                                                                                                              \
      }                                                                                                                \
      uintptr_t ahead =                                                                                                \
          blocks > 1 ? (uintptr_t)next : (uintptr_t)w + ((PANEL) == WIDE_PANEL ? AHEAD_OF_PIXELS : AHEAD_OF_ROWS);     \
      for (ptrdiff_t block = 0, j = 0; block < blocks; block++) {                                                      \
        ptrdiff_t count = columns_each + (block < columns_more), share = lines_each + (block < lines_more);            \
        CALL;                                                                                                          \
        ahead += (uintptr_t)(share * (STEPS)*CACHE_LINE);                                                              \
        j += count;                                                                                                    \
      }                                                                                                                \
      w = next;                                                                                                        \
      lane += width * PIXEL_LANES;                                                                                     \
      left -= width;                                                                                                   \
    }                                                                                                                  \
  }

static void accumulate(const float *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, const float *x,
                       ptrdiff_t x_stride, const float *start, ptrdiff_t start_stride, float *y, ptrdiff_t y_stride,
                       ptrdiff_t columns){
    FOR_EACH_TILE(float, weights, depth, vectors, panel, columns,
                  tiles[width][count](w, depth, x + j * x_stride, x_stride, start + j * start_stride + lane,
                                      start_stride, y + j * y_stride + lane, y_stride, ahead, share))}

/* q = x · inverse, to nearest, ties to even, within ±limit; in whole vectors, zero past count. */
INLINE void quantize(const float *x, const float *inverses, float limit, ptrdiff_t count, int16_t *q) {
  const float magic = 0x1.8p23f; /* adding it rounds to an integer, which is then in the low bits */
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 scaled = load_at(x, i, count, 0) * load(inverses + i);
    i32x16 rounded = (i32x16)(at_most(at_least(scaled, -limit), limit) + magic);
    store_i16(q + i, __builtin_convertvector(rounded, i16x16));
  }
}

static void accumulate_i16(const uint32_t *matrix, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, const float *x,
                           ptrdiff_t x_stride, const float *start, ptrdiff_t start_stride, float *y, ptrdiff_t y_stride,
                           ptrdiff_t columns) {
  int16_t quantized[QUANTIZED] __attribute__((aligned(CACHE_LINE)));
  do {
    ptrdiff_t part = depth < PIXEL_I16_DEPTH ? depth : PIXEL_I16_DEPTH, steps = (part + 1) / 2;
    ptrdiff_t stride = (part + PIXEL_LANES - 1) / PIXEL_LANES * PIXEL_LANES;
    const float *scales = (const float *)matrix, *inverses = scales + vectors * PIXEL_LANES;
    const uint32_t *pairs = matrix + vectors * PIXEL_LANES + stride;
    /* As many columns at once as there is room for. */
    for (ptrdiff_t first = 0, many = part ? QUANTIZED / stride : columns; first < columns; first += many) {
      ptrdiff_t some = columns - first < many ? columns - first : many;
      for (ptrdiff_t j = 0; j < some; j++)
        quantize(x + (first + j) * x_stride, inverses, pixel_i16_limit(part), part, quantized + j * stride);
      const uint32_t *q = (const uint32_t *)quantized;
      FOR_EACH_TILE(uint32_t, pairs, steps, vectors, panel, some,
                    tiles_i16[width][count](w, steps, q + j * stride / 2, stride / 2,
                                            start + (first + j) * start_stride + lane, start_stride,
                                            y + (first + j) * y_stride + lane, y_stride, scales + lane, ahead, share))
    }
    start = y;
    start_stride = y_stride;
    matrix = pairs + steps * vectors * PIXEL_LANES;
    x += part;
    depth -= part;
  } while (depth > 0);
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

/* `sum_of_lanes` of one vector or of four, MOST_ROWS, which then share the divisions that follow. */
INLINE f32x4 sums_of_lanes(int rows, const f32x16 *v) {
  if (rows == 1)
    return (f32x4)(sum_of_lanes(v[0]));
  f32x4 four[4];
  UNROLL for (int j = 0; j < 4; j++) {
    f32x8 eight = v[j].lo + v[j].hi;
    four[j] = eight.lo + eight.hi;
  }
#define PAIRS(a, b) (__builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7))
  f32x4 first = PAIRS(four[0], four[1]), last = PAIRS(four[2], four[3]);
#undef PAIRS
  return __builtin_shufflevector(first, last, 0, 2, 4, 6) + __builtin_shufflevector(first, last, 1, 3, 5, 7);
}

/* Some rows of a few vectors, read once and held in registers. The same sums as above: what is past a row adds
   zeros. */
INLINE void normalize_held(int vectors, int rows, const float *x, ptrdiff_t x_stride, const f32x16 *weights,
                           const f32x16 *biases, float *y, ptrdiff_t y_stride, ptrdiff_t count) {
  ptrdiff_t last = (vectors - 1) * PIXEL_LANES;
  f32x16 v[MOST_ROWS][MOST_HELD], sum[MOST_ROWS];
  UNROLL for (int j = 0; j < rows; j++) {
    const float *row = x + j * x_stride;
    sum[j] = splat(0);
    UNROLL for (int i = 0; i < vectors - 1; i++) v[j][i] = load(row + i * PIXEL_LANES);
    v[j][vectors - 1] = load_at(row, last, count, 0);
    UNROLL for (int i = 0; i < vectors; i++) sum[j] += v[j][i];
  }
  f32x4 mean = sums_of_lanes(rows, sum) / (float)count;
  UNROLL for (int j = 0; j < rows; j++) {
    sum[j] = splat(0);
    UNROLL for (int i = 0; i < vectors; i++) {
      v[j][i] -= mean[j];
      if (i == vectors - 1)
        v[j][i] = first_lanes(v[j][i], count - last);
      sum[j] = fma16(v[j][i], v[j][i], sum[j]);
    }
  }
  f32x4 inverse = 1.0f / __builtin_elementwise_sqrt(sums_of_lanes(rows, sum) / (float)count + 1e-5f);
  UNROLL for (int j = 0; j < rows; j++) {
    float *row = y + j * y_stride;
    UNROLL for (int i = 0; i < vectors - 1; i++)
        store(row + i * PIXEL_LANES, fma16(v[j][i] * inverse[j], weights[i], biases[i]));
    store_at(row, last, count, fma16(v[j][vectors - 1] * inverse[j], weights[vectors - 1], biases[vectors - 1]));
  }
}

INLINE void normalize_few(int vectors, const float *x, ptrdiff_t x_stride, const float *weight, const float *bias,
                          float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  f32x16 weights[MOST_HELD], biases[MOST_HELD];
  UNROLL for (int i = 0; i < vectors; i++) {
    weights[i] = load_at(weight, i * PIXEL_LANES, count, 0);
    biases[i] = load_at(bias, i * PIXEL_LANES, count, 0);
  }
  for (; columns >= MOST_ROWS; columns -= MOST_ROWS, x += MOST_ROWS * x_stride, y += MOST_ROWS * y_stride)
    normalize_held(vectors, MOST_ROWS, x, x_stride, weights, biases, y, y_stride, count);
  for (; columns > 0; columns--, x += x_stride, y += y_stride)
    normalize_held(vectors, 1, x, x_stride, weights, biases, y, y_stride, count);
}

static void normalize(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float *y,
                      ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns) {
  switch ((count + PIXEL_LANES - 1) / PIXEL_LANES) {
  case 1:
    return normalize_few(1, x, x_stride, weight, bias, y, y_stride, count, columns);
  case 2:
    return normalize_few(2, x, x_stride, weight, bias, y, y_stride, count, columns);
  case MOST_HELD:
    return normalize_few(MOST_HELD, x, x_stride, weight, bias, y, y_stride, count, columns);
  }
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
    f32x16 v = load_at(x, i, count, -__builtin_inff()) - maximum;
    store(y + i, exp_not_positive(temperature == 1 ? v : v / temperature));
  }
}

#ifdef HAS_LANE_MASKS
/* As assembly: LLVM makes vexpandps of most shifts, which are slow on AMD processors. */
#define SHIFTED(v, by)                                                                                                 \
  ({                                                                                                                   \
    f32x16 shifted;                                                                                                    \
    __asm__("valignd %3, %2, %1, %0" : "=v"(shifted) : "v"(v), "v"(splat(0)), "i"(16 - (by)));                         \
    shifted;                                                                                                           \
  })
#else
#define SHIFTED(v, by)                                                                                                 \
  __builtin_shufflevector(splat(0), v, 16 - by, 17 - by, 18 - by, 19 - by, 20 - by, 21 - by, 22 - by, 23 - by,         \
                          24 - by, 25 - by, 26 - by, 27 - by, 28 - by, 29 - by, 30 - by, 31 - by)
#endif

static float prefix_sums(const float *x, ptrdiff_t count, float *y) {
  float total = 0;
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 v = load(x + i);
    v += SHIFTED(v, 1);
    v += SHIFTED(v, 2);
    v += SHIFTED(v, 4);
    v += SHIFTED(v, 8);
    store(y + i, v + total);
    total += v[PIXEL_LANES - 1];
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
    .accumulate_i16 = accumulate_i16,
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
