/* The training kernels that belong to a table of pixel_kernels.h; apart from dispatch.c, so that a program which uses
   only the other kernels links none of these. */
#include "training_kernels.h"
#include <string.h>

extern const training_kernels training_kernels_portable;
#if defined(__x86_64__)
extern const training_kernels training_kernels_avx512vnni, training_kernels_avx512, training_kernels_avx2;
static const training_kernels *const all[] = {&training_kernels_avx512vnni, &training_kernels_avx512,
                                              &training_kernels_avx2};
#elif defined(__aarch64__)
extern const training_kernels training_kernels_neon;
static const training_kernels *const all[] = {&training_kernels_neon};
#else
static const training_kernels *const all[] = {&training_kernels_portable};
#endif

const training_kernels *training_kernels_of(const pixel_kernels *kernels) {
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
    if (strcmp(all[i]->name, kernels->name) == 0)
      return all[i];
  return &training_kernels_portable;
}
