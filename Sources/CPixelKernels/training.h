/* The kernels of training, written once, for an instruction set's file to include after kernels.h.
   Shapes and contracts: training_kernels.h. */
#include "training_kernels.h"

/* Positions whose gradients are reduced before the tile of sums goes back to memory. Their vectors stay in the
   innermost cache while the inputs pass by. */
enum { PRODUCT_POSITIONS = 96 };

typedef struct product_operands {
  const float *x;
  ptrdiff_t x_row, x_stride;
  const float *dy;
  ptrdiff_t dy_row, dy_stride;
  ptrdiff_t rows, columns;
} product_operands;

/* A register tile of sums: NC inputs by MV vectors of lanes, `last` lanes in the last vector. As in the forward tile,
   one vector feeds NC multiply-adds and one broadcast MV, but both operands move on by a position each time. */
#define PRODUCT_TILE_OF(MV, NC, KIND, LAST_VECTOR)                                                                     \
  static void products_##KIND##_##MV##x##NC(const product_operands *o, ptrdiff_t last, float *y, ptrdiff_t ys) {       \
    f32x16 sum[NC][MV];                                                                                                \
    (void)last;                                                                                                        \
    UNROLL for (int i = 0; i < NC; i++) UNROLL for (int v = 0; v < MV; v++) sum[i][v] =                                \
        load(y + i * ys + v * PIXEL_LANES);                                                                            \
    for (ptrdiff_t row = 0; row < o->rows; row++) {                                                                    \
      const float *x = o->x + row * o->x_row, *dy = o->dy + row * o->dy_row;                                           \
      for (ptrdiff_t column = 0; column < o->columns; column++, x += o->x_stride, dy += o->dy_stride) {                \
        f32x16 gradient[MV];                                                                                           \
        UNROLL for (int v = 0; v < MV - 1; v++) gradient[v] = load(dy + v * PIXEL_LANES);                              \
        gradient[MV - 1] = LAST_VECTOR(dy + (MV - 1) * PIXEL_LANES);                                                   \
        UNROLL for (int i = 0; i < NC; i++) {                                                                          \
          f32x16 value = splat(x[i]);                                                                                  \
          UNROLL for (int v = 0; v < MV; v++) sum[i][v] = fma16(gradient[v], value, sum[i][v]);                        \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
    UNROLL for (int i = 0; i < NC; i++) UNROLL for (int v = 0; v < MV; v++)                                            \
        store(y + i * ys + v * PIXEL_LANES, sum[i][v]);                                                                \
  }
#define PART_OF_LANES(p) load_part(p, last, 0)
#define PRODUCT_TILE(MV, NC) PRODUCT_TILE_OF(MV, NC, whole, load) PRODUCT_TILE_OF(MV, NC, part, PART_OF_LANES)
TILES(PRODUCT_TILE)

typedef void (*product_function)(const product_operands *, ptrdiff_t, float *, ptrdiff_t);

#define WHOLE_ENTRY(MV, NC) [MV][NC] = products_whole_##MV##x##NC,
#define PART_ENTRY(MV, NC) [MV][NC] = products_part_##MV##x##NC,
static const product_function product_tiles[2][WIDE_PANEL + 1][MOST_COLUMNS + 1] = {{TILES(WHOLE_ENTRY)},
                                                                                    {TILES(PART_ENTRY)}};

/* All panels and tiles of one block of positions. */
static void product_block(product_operands operands, ptrdiff_t inputs, ptrdiff_t lanes, float *y, ptrdiff_t y_stride) {
  const float *x = operands.x;
  for (ptrdiff_t vectors = (lanes + PIXEL_LANES - 1) / PIXEL_LANES; vectors > 0;) {
    ptrdiff_t width = pixel_panel_width(vectors, WIDE_PANEL);
    ptrdiff_t last = vectors == width ? (lanes - 1) % PIXEL_LANES + 1 : PIXEL_LANES;
    ptrdiff_t blocks = (inputs + tile_columns[width] - 1) / tile_columns[width];
    for (ptrdiff_t i = 0; blocks > 0; blocks--) {
      ptrdiff_t count = (inputs - i + blocks - 1) / blocks;
      operands.x = x + i;
      product_tiles[last < PIXEL_LANES][width][count](&operands, last, y + i * y_stride, y_stride);
      i += count;
    }
    y += width * PIXEL_LANES;
    operands.dy += width * PIXEL_LANES;
    lanes -= width * PIXEL_LANES;
    vectors -= width;
  }
}

static void accumulate_products(const float *x, ptrdiff_t x_row, ptrdiff_t x_stride, ptrdiff_t inputs, const float *dy,
                                ptrdiff_t dy_row, ptrdiff_t dy_stride, ptrdiff_t lanes, float *y, ptrdiff_t y_stride,
                                ptrdiff_t rows, ptrdiff_t columns) {
  ptrdiff_t step = PRODUCT_POSITIONS / columns > 1 ? PRODUCT_POSITIONS / columns : 1;
  for (ptrdiff_t row = 0; row < rows; row += step) {
    product_operands operands = {x + row * x_row, x_row, x_stride, dy + row * dy_row, dy_row, dy_stride, step, columns};
    if (operands.rows > rows - row)
      operands.rows = rows - row;
    product_block(operands, inputs, lanes, y, y_stride);
  }
}

static void accumulate_columns(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t count, ptrdiff_t columns) {
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 sum = load_at(y, i, count, 0);
    for (ptrdiff_t j = 0; j < columns; j++)
      sum += load_at(x + j * x_stride, i, count, 0);
    store_at(y, i, count, sum);
  }
}

static void gate_gradient(const float *a, const float *b, ptrdiff_t stride, const float *dy, ptrdiff_t dy_stride,
                          float *da, float *db, ptrdiff_t d_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, a += stride, b += stride, dy += dy_stride, da += d_stride, db += d_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 scale_a, scale_b;
      f32x16 m = reduced_expm1(at_most(at_least(load_at(a, i, count, 0) * -2.0f, -20.0f), 20.0f), &scale_a);
      m = fma16(m, scale_a, scale_a - 1.0f);
      f32x16 e = reduced_expm1(at_most(at_least(-load_at(b, i, count, 0), -80.0f), 80.0f), &scale_b);
      e = fma16(e, scale_b, scale_b);
      f32x16 tanh_a = -m / (m + 2.0f), sigmoid_b = 1.0f / (e + 1.0f);
      f32x16 above = load_at(dy, i, count, 0) * sigmoid_b;
      store_at(da, i, count, above * fma16(-tanh_a, tanh_a, splat(1)));
      store_at(db, i, count, above * tanh_a * (e * sigmoid_b)); /* 1 − σ(b) = e^−b σ(b) */
    }
}

static void normalize_gradient(const float *x, ptrdiff_t x_stride, const float *weight, const float *dy,
                               ptrdiff_t dy_stride, float *dx, ptrdiff_t dx_stride, float *d_weight, float *d_bias,
                               ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, dy += dy_stride, dx += dx_stride) {
    float mean, inverse;
    moments(x, count, &mean, &inverse);
    f32x16 plain = splat(0), projected = splat(0);
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 scaled = (load_at(x, i, count, mean) - mean) * inverse;
      f32x16 above = load_at(dy, i, count, 0);
      f32x16 inner = above * load_at(weight, i, count, 0);
      store(d_weight + i, fma16(above, scaled, load(d_weight + i)));
      store(d_bias + i, load(d_bias + i) + above);
      plain += inner;
      projected = fma16(inner, scaled, projected);
    }
    float plain_mean = sum_of_lanes(plain) / (float)count, projected_mean = sum_of_lanes(projected) / (float)count;
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 scaled = (load_at(x, i, count, mean) - mean) * inverse;
      f32x16 inner = load_at(dy, i, count, 0) * load_at(weight, i, count, 0) - plain_mean;
      store_at(dx, i, count, inverse * fma16(scaled, splat(-projected_mean), inner));
    }
  }
}

static void rectify_gradient(const float *y, ptrdiff_t y_stride, const float *dy, ptrdiff_t dy_stride, float *dx,
                             ptrdiff_t dx_stride, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, y += y_stride, dy += dy_stride, dx += dx_stride)
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 value = load_at(y, i, count, 0);
      store_at(dx, i, count, value > splat(0) ? load_at(dy, i, count, 0) : splat(0));
    }
}

static void cross_entropy(float *x, ptrdiff_t x_stride, const uint16_t *v, ptrdiff_t v_stride, float scale,
                          double *loss, ptrdiff_t count, ptrdiff_t columns) {
  for (; columns > 0; columns--, x += x_stride, v += v_stride, loss++) {
    float most = maximum(x, count), target = x[*v];
    f32x16 sum = splat(0);
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
      f32x16 e = exp_not_positive(load_at(x, i, count, -__builtin_inff()) - most);
      sum += e;
      store_at(x, i, count, e);
    }
    float total = sum_of_lanes(sum), factor = scale / total;
    for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES)
      store_at(x, i, count, load_at(x, i, count, 0) * factor);
    x[*v] -= scale;
    *loss = __builtin_log((double)total) - ((double)target - (double)most);
  }
}

static double sum_parts(const float *const *x, ptrdiff_t parts, float *y, ptrdiff_t count) {
  f32x16 squares = splat(0);
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 sum = load(x[0] + i);
    for (ptrdiff_t part = 1; part < parts; part++)
      sum += load(x[part] + i);
    store(y + i, sum);
    squares = fma16(sum, sum, squares);
  }
  double total = 0;
  for (int lane = 0; lane < PIXEL_LANES; lane++)
    total += (double)squares[lane];
  return total;
}

static void adam(const adam_step *step, const float *gradient, float *weight, float *mean, float *square,
                 float *average, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += PIXEL_LANES) {
    f32x16 g = load(gradient + i) * step->gradient_scale;
    f32x16 m = fma16(g - load(mean + i), splat(1 - step->beta1), load(mean + i));
    f32x16 s = fma16(g * g, splat(1 - step->beta2), load(square + i) * step->beta2);
    f32x16 root = __builtin_elementwise_sqrt(s) * step->root_correction + step->epsilon;
    f32x16 w = load(weight + i) - step->rate * m / root;
    store(mean + i, m);
    store(square + i, s);
    store(weight + i, w);
    if (average)
      store(average + i, fma16(w - load(average + i), splat(1 - step->average_decay), load(average + i)));
  }
}

#define TRAINING_TABLE_NAME_(name) training_kernels_##name
#define TRAINING_TABLE_NAME(name) TRAINING_TABLE_NAME_(name)

const training_kernels TRAINING_TABLE_NAME(NAME) = {
    .name = STRING(NAME),
    .accumulate_products = accumulate_products,
    .accumulate_columns = accumulate_columns,
    .gate_gradient = gate_gradient,
    .normalize_gradient = normalize_gradient,
    .rectify_gradient = rectify_gradient,
    .cross_entropy = cross_entropy,
    .sum_parts = sum_parts,
    .adam = adam,
};
