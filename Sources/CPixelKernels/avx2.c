/* AVX2 with FMA: 16 registers of 8 lanes. A vector is two of them: 12 accumulators are one vector by six columns. Two
   vectors by one column have four sums at a time instead of two: one image waits for each sum's last multiply-add. */
#include "pixel_kernels.h"
#ifdef __x86_64__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include <immintrin.h>
#define NAME avx2
#define add_products(a, b, sum)                                                                                        \
  ({                                                                                                                   \
    i32x16 products;                                                                                                   \
    products.lo = (__typeof__(products.lo))_mm256_madd_epi16((__m256i)(a).lo, (__m256i)(b).lo);                        \
    products.hi = (__typeof__(products.hi))_mm256_madd_epi16((__m256i)(a).hi, (__m256i)(b).hi);                        \
    (sum) + products;                                                                                                  \
  })
#define WIDE_PANEL 2
#define NARROW_PANEL 1
#define TILES(NAME_OF) TILES_1(NAME_OF) TILES_2(NAME_OF)
#define TILE_COLUMNS 0, 6, 2
#include "kernels.h"
#include "training.h"
#pragma clang attribute pop
#endif
