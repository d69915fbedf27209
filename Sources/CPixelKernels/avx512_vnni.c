/* AVX-512 with its instruction for sums of products of 16-bit integers; for floats the same as avx512.c. */
#include "pixel_kernels.h"
#ifdef __x86_64__
#pragma clang attribute push(__attribute__((target("avx512vnni,avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))),        \
                             apply_to = function)
#include <immintrin.h>
#define NAME avx512vnni
/* Of the intrinsic, LLVM makes a product and an addition where it is not told the processor: half the speed. */
#define add_products(a, b, sum)                                                                                        \
  ({                                                                                                                   \
    i32x16 total = sum;                                                                                                \
    __asm__("vpdpwssd %2, %1, %0" : "+v"(total) : "v"(a), "v"(b));                                                     \
    total;                                                                                                             \
  })
#include "avx512_tiles.h"
#pragma clang attribute pop
#endif
