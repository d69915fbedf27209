/* Portable C: what every processor can run, and the slow twin that the others are compared with. Where the baseline has
   no fused multiply-add, each is a call of fmaf. */
#include "pixel_kernels.h"
#define NAME portable
#define WIDE_PANEL 1
#define NARROW_PANEL 1
#define TILES(NAME_OF) TILES_1(NAME_OF)
#define TILE_COLUMNS 0, 6
#include "kernels.h"
#include "training.h"
