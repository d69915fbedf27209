/* The loops of loops.h for each instruction set, and the choice between them, as the engine's kernels make it. */
#include "machine_limits.h"
#ifdef __GLIBC__
#include <malloc.h>
#endif
#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi" /* no vector crosses a call */

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef float f32x16_unaligned __attribute__((ext_vector_type(16), aligned(4)));

#define FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#define SEPARATE(a, b, c) ((a) * (b) + (c)) /* where a fused one would be a call of fmaf */

#if defined(__x86_64__)

/* 32 registers of 16 lanes. */
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))),                   \
                             apply_to = function)
#define NAME avx512
#define ACCUMULATORS 24
#define MULTIPLY_ADD FUSED
#define REGISTER(x) "+v"(x)
#include "loops.h"
#pragma clang attribute pop

/* 16 registers of 8 lanes: 12 sums. An asm operand of two registers does not exist, hence memory. */
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define NAME avx2
#define ACCUMULATORS 6
#define MULTIPLY_ADD FUSED
#define REGISTER(x) "+m"(x)
#include "loops.h"
#pragma clang attribute pop

#define NAME portable
#define ACCUMULATORS 2
#define MULTIPLY_ADD SEPARATE
#define REGISTER(x) "+m"(x)
#include "loops.h"

static int level(void) {
  int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return !has_avx2 ? 2
         : __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
             ? 0
             : 1;
}

const char *machine_instruction_set(void) { return (const char *const[]){"avx512", "avx2", "portable"}[level()]; }

int64_t machine_multiply_add(int64_t rounds, float *result) {
  switch (level()) {
  case 0:
    return multiply_add_avx512(rounds, result);
  case 1:
    return multiply_add_avx2(rounds, result);
  default:
    return multiply_add_portable(rounds, result);
  }
}

float machine_read(const float *floats, ptrdiff_t count) {
  switch (level()) {
  case 0:
    return read_avx512(floats, count);
  case 1:
    return read_avx2(floats, count);
  default:
    return read_portable(floats, count);
  }
}

#else

/* NEON: 32 registers of 4 lanes, 24 sums. */
#define ACCUMULATORS 6
#define REGISTER(x) "+m"(x)
#ifdef __aarch64__
#define NAME neon
#define MULTIPLY_ADD FUSED
#include "loops.h"
const char *machine_instruction_set(void) { return "neon"; }
int64_t machine_multiply_add(int64_t rounds, float *result) { return multiply_add_neon(rounds, result); }
float machine_read(const float *floats, ptrdiff_t count) { return read_neon(floats, count); }
#else
#define NAME portable
#define MULTIPLY_ADD SEPARATE
#include "loops.h"
const char *machine_instruction_set(void) { return "portable"; }
int64_t machine_multiply_add(int64_t rounds, float *result) { return multiply_add_portable(rounds, result); }
float machine_read(const float *floats, ptrdiff_t count) { return read_portable(floats, count); }
#endif

#endif

void machine_release_free_memory(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
