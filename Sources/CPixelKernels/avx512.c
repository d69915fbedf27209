/* AVX-512 of every processor that has it. */
#include "pixel_kernels.h"
#ifdef __x86_64__
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))),                   \
                             apply_to = function)
#include <immintrin.h>
#define NAME avx512
#define add_products(a, b, sum) ((sum) + (i32x16)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#include "avx512_tiles.h"
#pragma clang attribute pop
#endif
