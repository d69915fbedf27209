/* The two loops, written once. The including file defines NAME, ACCUMULATORS (vectors of 16 floats: enough of them to
   hide the latency of an addition, few enough for the registers) and sets the target. */
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

static int64_t JOIN(multiply_add_, NAME)(int64_t rounds, float *result) {
  f32x16 sum[ACCUMULATORS], factor = (f32x16)(*result), value = (f32x16)(*result + 0.5f);
  for (int i = 0; i < ACCUMULATORS; i++)
    sum[i] = (f32x16)((float)i);
  for (int64_t round = 0; round < rounds; round++) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < ACCUMULATORS; i++) sum[i] =
        MULTIPLY_ADD(factor, value, sum[i]);
    /* The factors are not the same as in the round before, for all the compiler knows. */
    __asm__ volatile("" : REGISTER(factor), REGISTER(value));
  }
  for (int i = 1; i < ACCUMULATORS; i++)
    sum[0] += sum[i];
  *result = sum[0][0] + sum[0][15];
  return rounds * ACCUMULATORS * 16 * 2;
}

static float JOIN(read_, NAME)(const float *floats, ptrdiff_t count) {
  f32x16 sum[8];
  for (int i = 0; i < 8; i++)
    sum[i] = (f32x16)(0.0f);
  for (const float *end = floats + count; floats < end; floats += 128)
    _Pragma("clang loop unroll(full)") for (int i = 0; i < 8; i++) sum[i] += ((const f32x16_unaligned *)floats)[i];
  for (int i = 1; i < 8; i++)
    sum[0] += sum[i];
  return sum[0][0] + sum[0][15];
}

#undef JOIN
#undef JOIN_
#undef NAME
#undef ACCUMULATORS
#undef MULTIPLY_ADD
#undef REGISTER
