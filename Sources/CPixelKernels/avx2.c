/* AVX2 with FMA: 16 registers of 8 lanes. A vector is two of them, so 12 accumulators are one vector by six columns. */
#include "pixel_kernels.h"
#ifdef __x86_64__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME avx2
#define WIDE_PANEL 1
#define NARROW_PANEL 1
#define TILES(NAME_OF) TILES_1(NAME_OF)
#define TILE_COLUMNS 0, 6
#include "kernels.h"
#include "training.h"
#pragma clang attribute pop
#endif
