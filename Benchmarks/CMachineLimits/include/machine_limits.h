/* What the machine itself can do, to hold the engine against: fused multiply-adds from registers alone, and reads of a
   buffer that no core's own cache holds. One loop for each instruction set that the kernels have; the widest that this
   processor runs is taken. The caller brings threads and clock. */
#ifndef MACHINE_LIMITS_H
#define MACHINE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* "avx512", "avx2", "neon" or "portable". */
const char *machine_instruction_set(void);

/* `rounds` rounds of independent 16-lane fused multiply-adds; returns the floating-point operations done, two for each
   lane. `result` takes something that depends on all of them. */
int64_t machine_multiply_add(int64_t rounds, float *result);

/* Reads `count` floats, a multiple of 128, once, and returns something that depends on all of them. */
float machine_read(const float *floats, ptrdiff_t count);

/* Gives the heap's free pages back, where the C library can (glibc's malloc.h is in no Swift module). */
void machine_release_free_memory(void);

#pragma clang assume_nonnull end

#endif
