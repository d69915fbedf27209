/* The arithmetic of the network, behind one table of functions for each instruction set.

   Every table computes the same bits. An output element is reduced in one fixed order, with one fused multiply-add
   per term, whatever tile it falls into; sums over a vector use one 16-lane tree; exp and tanh are polynomials written
   with explicit fused multiply-adds. Nothing else (approximate reciprocals, libm, contraction) may touch a result.

   Strides and sizes are in floats. A "vector" is 16 lanes on every instruction set. Pointers need no alignment. */
#ifndef PIXEL_KERNELS_H
#define PIXEL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

enum { PIXEL_LANES = 16, PIXEL_I16_DEPTH = 1024 };

typedef struct pixel_kernels {
  /* "avx512vnni", "avx512", "avx2", "neon" or "portable": the values of PIXELCNN_ISA. */
  const char *name;

  /* Vectors in a panel of a packed matrix that mostly meets one column, and of one that mostly meets eight or more:
     wide panels keep more sums going, narrow ones leave registers for more columns, which read less of the weights.
     `vectors` vectors are cut into ceil(vectors / panel) panels whose widths are as equal as possible, the wider ones
     first; a panel is stored as (depth, 16 · width), and the panels follow one another. pixel_panel_width gives the
     width of the first of the remaining panels. */
  ptrdiff_t wide_panel, narrow_panel;

  /* y[j][m] = start[j][m] + Σ_k weights[k][m] · x[j][k], in this order, k ascending.
     weights: packed in panels of at most `panel` vectors, either of the two above, depth × 16·vectors;
     x: (columns, depth), rows x_stride apart;  start: (columns, 16·vectors), rows start_stride apart, which may be y;
     y: (columns, 16·vectors), rows y_stride apart; rows of x and start may overlap, those of y may not. */
  void (*accumulate)(const float *weights, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, const float *x,
                     ptrdiff_t x_stride, const float *start, ptrdiff_t start_stride, float *y, ptrdiff_t y_stride,
                     ptrdiff_t columns);

  /* The same in 16-bit integers, of a matrix cut into parts of PIXEL_I16_DEPTH of its depth, the last one shorter
     (empty of a matrix without depth):
     q[j][k] = x[j][k] · inverses[k], rounded to nearest, ties to even, within ±pixel_i16_limit(depth of the part), then
     y[j][m] = start[j][m] + (Σ_k weights[k][m] · q[j][k]) · scales[m], part by part, fused, the sum exact: it must fit
     in 32 bits for every q.
     A part of the matrix is scales (16·vectors), inverses (its depth, zeros up to whole vectors), and panels, each
     (ceil(depth / 2), 16 · width) words whose lower half is the weight of the even k and whose upper half is that of
     the odd one, or 0. */
  void (*accumulate_i16)(const uint32_t *matrix, ptrdiff_t depth, ptrdiff_t vectors, ptrdiff_t panel, const float *x,
                         ptrdiff_t x_stride, const float *start, ptrdiff_t start_stride, float *y, ptrdiff_t y_stride,
                         ptrdiff_t columns);

  /* Winograd's F(2, 3): two neighbouring outputs of a window of three columns from four products instead of six.
     v[0 … 3][t] = d0 − d2, d1 + d2, d2 − d1, d1 − d3, where d0 … d3 are the columns x[2t … 2t + 3], t < tiles =
     ceil(columns / 2). Of an odd number of columns the last has no d3: 0 stands for it, and is not read.
     x: (columns + 2, count), rows x_stride apart;  v: (4, tiles, count). */
  void (*winograd_inputs)(const float *x, ptrdiff_t x_stride, float *v, ptrdiff_t count, ptrdiff_t columns);

  /* Of the products m: y[2t] = (m0 + m1) + m2 and, where 2t + 1 < columns, y[2t + 1] = (m1 − m2) − m3, of m0 … m3 =
     m[0 … 3][t].  m: (4, tiles, count);  y: (columns, count), rows y_stride apart. */
  void (*winograd_outputs)(const float *m, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* y[j][i] = tanh(a[j][i]) · σ(b[j][i]), i < count: the gate of van den Oord et al. 2016, equation 2.
     a and b: (columns, count), rows stride apart;  y: (columns, count), rows y_stride apart. */
  void (*gate)(const float *a, const float *b, ptrdiff_t stride, float *y, ptrdiff_t y_stride, ptrdiff_t count,
               ptrdiff_t columns);

  /* y[j] = layer norm over the `count` channels of x[j]: biased variance, eps 1e-5, then weight and bias.
     x: (columns, count), rows x_stride apart;  weight, bias: (count);  y: (columns, count), rows y_stride apart. */
  void (*normalize)(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float *y,
                    ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* y[j][i] = max(x[j][i], 0), i < count. */
  void (*rectify)(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* y[j][i] += x[j][i], i < count. x may have a stride of 0: one row for all. */
  void (*add)(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* y[j][i] = x[j][i] · weight[i] + bias[i], fused, i < count.
     x: (columns, count), rows x_stride apart;  weight, bias: (count);  y: (columns, count), rows y_stride apart. */
  void (*scale)(const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float *y,
                ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* y[j][i] = x[j][i] where that is above 0, else e^x − 1, i < count: the exponential linear unit. */
  void (*elu)(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t y_stride, ptrdiff_t count, ptrdiff_t columns);

  /* The largest of x[0 … count). */
  float (*maximum)(const float *x, ptrdiff_t count);

  /* y[i] = exp((x[i] − maximum) / temperature), and 0 below e^-87; in whole vectors: y has room for
     16·ceil(count / 16), zeros past count. */
  void (*exponentials)(const float *x, ptrdiff_t count, float maximum, float temperature, float *y);

  /* y[i] = x[0] + … + x[i], in whole vectors (x zero past count): within a vector by doubling strides of 1, 2, 4, 8,
     vectors in sequence. Returns the last one, the total. x and y may be the same. */
  float (*prefix_sums)(const float *x, ptrdiff_t count, float *y);
} pixel_kernels;

/* The tables which this processor can run, by position, the fastest first; a null pointer past the last. */
const pixel_kernels *_Nullable pixel_kernels_available(ptrdiff_t position);

/* The width, in vectors, of the first of the panels that `vectors` vectors are cut into. */
static inline ptrdiff_t pixel_panel_width(ptrdiff_t vectors, ptrdiff_t panel) {
  if (vectors <= panel)
    return vectors;
  ptrdiff_t panels = (vectors + panel - 1) / panel;
  return (vectors + panels - 1) / panels;
}

/* The largest of the integers that stand for inputs: where few products are added up, there is room for more bits. Then
   the weights have 2^10 on average, of the 2^31 that a sum may reach. */
static inline float pixel_i16_limit(ptrdiff_t depth) { return depth <= 64 ? 32767 : (float)((1 << 21) / depth); }

/* Round to nearest, denormals kept: the state for which the contract is written. Every computing thread calls it. */
void pixel_kernels_reset_float_state(void);

/* Fetches `bytes` bytes that are needed soon. */
static inline void pixel_prefetch(const void *address, ptrdiff_t bytes) {
  for (ptrdiff_t i = 0; i < bytes; i += 64)
    __builtin_prefetch((const char *)address + i, 0, 3);
}

/* What a loop that waits for another thread calls each time around. */
static inline void pixel_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

#pragma clang assume_nonnull end

#endif
