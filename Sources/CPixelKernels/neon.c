/* NEON: 32 registers of 4 lanes. A vector is four of them; 6 columns are 24 accumulators, 4 weights and a broadcast. */
#include "pixel_kernels.h"
#ifdef __aarch64__
#define NAME neon
#define WIDE_PANEL 1
#define NARROW_PANEL 1
#define TILES(NAME_OF) TILES_1(NAME_OF)
#define TILE_COLUMNS 0, 6
#include "kernels.h"
#include "training.h"
#endif
