/* AVX-512: 32 registers of 16 lanes. 5 × 5 accumulators, 5 weights and a broadcast: 10 loads for 25 multiply-adds; or
   3 × 8, 3 weights and a broadcast: 11 loads for 24, and half of the weights per multiply-add. */
#define HAS_LANE_MASKS
#define WIDE_PANEL 5
#define NARROW_PANEL 3
#define TILES(NAME_OF)                                                                                                 \
  TILES_1(NAME_OF)                                                                                                     \
  TILES_1_WIDE(NAME_OF) TILES_2(NAME_OF) TILES_2_WIDE(NAME_OF) TILES_3(NAME_OF) TILES_4(NAME_OF) TILES_5(NAME_OF)
#define TILE_COLUMNS 0, 14, 12, 8, 6, 5
#include "kernels.h"
#include "training.h"
