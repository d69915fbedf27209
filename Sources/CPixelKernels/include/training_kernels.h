/* What training needs beside the kernels of pixel_kernels.h, and by the same rules: one table for each instruction set,
   every table computes the same bits, each sum has one fixed order. The daemon calls none of it.

   Strides and sizes are in floats. Pointers need no alignment. A "row" is an image row of `columns` positions. */
#ifndef TRAINING_KERNELS_H
#define TRAINING_KERNELS_H

#include "pixel_kernels.h"

#pragma clang assume_nonnull begin

/* One step of Adam (Kingma and Ba 2015) and of the average of the weights that it leaves. */
typedef struct adam_step {
  float gradient_scale; /* what gradients are multiplied by first: clipping */
  float rate;           /* learning rate / (1 − β1^t) */
  float beta1, beta2;
  float root_correction; /* 1 / sqrt(1 − β2^t) */
  float epsilon;
  float average_decay; /* average = decay · average + (1 − decay) · weight */
} adam_step;

typedef struct training_kernels {
  const char *name; /* as in pixel_kernels */

  /* The gradient of a matrix: y[i][m] += Σ_row Σ_column x[row][column][i] · dy[row][column][m], positions in order.
     x: (rows, columns, inputs), rows x_row apart, columns x_stride;  dy: (rows, columns, lanes), likewise;
     y: (inputs, lanes in whole vectors), rows y_stride apart. Lanes of y past `lanes` keep their values. */
  void (*accumulate_products)(const float *x, ptrdiff_t x_row, ptrdiff_t x_stride, ptrdiff_t inputs, const float *dy,
                              ptrdiff_t dy_row, ptrdiff_t dy_stride, ptrdiff_t lanes, float *y, ptrdiff_t y_stride,
                              ptrdiff_t rows, ptrdiff_t columns);

  /* y[i] += Σ_j x[j][i], i < count: the gradient of a bias. */
  void (*accumulate_columns)(const float *x, ptrdiff_t x_stride, float *y, ptrdiff_t count, ptrdiff_t columns);

  /* Of y = tanh(a) · σ(b): da = dy · σ(b) · (1 − tanh²(a)), db = dy · tanh(a) · σ(b) · (1 − σ(b)), i < count.
     a, b: rows stride apart;  da, db: rows d_stride apart. */
  void (*gate_gradient)(const float *a, const float *b, ptrdiff_t stride, const float *dy, ptrdiff_t dy_stride,
                        float *da, float *db, ptrdiff_t d_stride, ptrdiff_t count, ptrdiff_t columns);

  /* Of the layer norm of pixel_kernels.h: dx from its input x and dy; adds to d_weight and d_bias (count, in whole
     vectors). */
  void (*normalize_gradient)(const float *x, ptrdiff_t x_stride, const float *weight, const float *dy,
                             ptrdiff_t dy_stride, float *dx, ptrdiff_t dx_stride, float *d_weight, float *d_bias,
                             ptrdiff_t count, ptrdiff_t columns);

  /* dx[j][i] = y[j][i] > 0 ? dy[j][i] : 0, i < count; dx and dy may be the same. */
  void (*rectify_gradient)(const float *y, ptrdiff_t y_stride, const float *dy, ptrdiff_t dy_stride, float *dx,
                           ptrdiff_t dx_stride, ptrdiff_t count, ptrdiff_t columns);

  /* Cross-entropy of logits x (columns, count) with the values v[j · v_stride]: each row becomes its gradient,
     scale · (softmax − one-hot), and loss[j] its −ln p. The logarithm, which nothing else depends on, is libm's. */
  void (*cross_entropy)(float *x, ptrdiff_t x_stride, const uint16_t *v, ptrdiff_t v_stride, float scale, double *loss,
                        ptrdiff_t count, ptrdiff_t columns);

  /* y[i] = x[0][i] + x[1][i] + …, in that order; returns Σ y². count is a multiple of 16. */
  double (*sum_parts)(const float *_Nonnull const *_Nonnull x, ptrdiff_t parts, float *y, ptrdiff_t count);

  /* A step on `count` weights, a multiple of 16; average may be null. */
  void (*adam)(const adam_step *step, const float *gradient, float *weight, float *mean, float *square,
               float *_Nullable average, ptrdiff_t count);
} training_kernels;

/* The table of the same instruction set. */
const training_kernels *training_kernels_of(const pixel_kernels *kernels);

#pragma clang assume_nonnull end

#endif
