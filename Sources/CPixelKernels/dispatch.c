/* Which tables this processor can run. Plain function pointers: ifunc resolvers run before a sanitizer is ready. */
#include "pixel_kernels.h"

extern const pixel_kernels pixel_kernels_portable;

#if defined(__x86_64__)

#include <xmmintrin.h>
extern const pixel_kernels pixel_kernels_avx512vnni, pixel_kernels_avx512, pixel_kernels_avx2;

const pixel_kernels *pixel_kernels_available(ptrdiff_t position) {
  int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  int has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  int has_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni");
  const pixel_kernels *const all[] = {&pixel_kernels_avx512vnni, &pixel_kernels_avx512, &pixel_kernels_avx2,
                                      &pixel_kernels_portable, 0};
  return (all + !has_vnni + !has_avx512 + !has_avx2)[position];
}

void pixel_kernels_reset_float_state(void) { _mm_setcsr(0x1f80); }

#elif defined(__aarch64__)

extern const pixel_kernels pixel_kernels_neon;

const pixel_kernels *pixel_kernels_available(ptrdiff_t position) {
  const pixel_kernels *const all[] = {&pixel_kernels_neon, &pixel_kernels_portable, 0};
  return all[position];
}

void pixel_kernels_reset_float_state(void) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0)); }

#else

const pixel_kernels *pixel_kernels_available(ptrdiff_t position) { return position == 0 ? &pixel_kernels_portable : 0; }

void pixel_kernels_reset_float_state(void) {}

#endif
