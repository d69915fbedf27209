/* Sixteen floats, as the kernels see them on every instruction set, and the elementary functions on them.
   Included by kernels.h only, once per instruction set: the including file's target decides how it compiles. */
#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wpsabi" /* everything here is inlined: no vector crosses a call */

typedef float f32x16 __attribute__((ext_vector_type(16)));
typedef float f32x8 __attribute__((ext_vector_type(8)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef float f32x8_unaligned __attribute__((ext_vector_type(8), aligned(4)));
typedef float f32x4_unaligned __attribute__((ext_vector_type(4), aligned(4)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16)));
typedef uint32_t u32x16_unaligned __attribute__((ext_vector_type(16), aligned(4)));
typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
typedef int16_t i16x16_unaligned __attribute__((ext_vector_type(16), aligned(2)));
typedef int16_t i16x32 __attribute__((ext_vector_type(32)));
typedef float f32x16_unaligned __attribute__((ext_vector_type(16), aligned(4)));

#define INLINE static inline __attribute__((always_inline))

INLINE f32x16 load(const float *p) { return *(const f32x16_unaligned *)p; }
INLINE void store(float *p, f32x16 v) { *(f32x16_unaligned *)p = v; }
INLINE f32x16 splat(float value) { return (f32x16)(value); }
INLINE f32x16 fma16(f32x16 a, f32x16 b, f32x16 c) { return __builtin_elementwise_fma(a, b, c); }

INLINE void store_i16(int16_t *p, i16x16 v) { *(i16x16_unaligned *)p = v; }

/* Two 16-bit integers per lane. To each lane of the sum, the products of its halves are added. */
INLINE u32x16 load_pairs(const uint32_t *p) { return *(const u32x16_unaligned *)p; }
#ifndef add_products
INLINE i32x16 add_products(u32x16 a, u32x16 b, i32x16 sum) {
#define HALF(v, first)                                                                                                 \
  __builtin_convertvector(__builtin_shufflevector((i16x32)(v), (i16x32)(v), first, first + 2, first + 4, first + 6,    \
                                                  first + 8, first + 10, first + 12, first + 14, first + 16,           \
                                                  first + 18, first + 20, first + 22, first + 24, first + 26,          \
                                                  first + 28, first + 30),                                             \
                          i32x16)
  return sum + HALF(a, 0) * HALF(b, 0) + HALF(a, 1) * HALF(b, 1);
}
#endif

/* The first `count` < 16 lanes; the others read as `fill` and are not written. */
#ifdef HAS_LANE_MASKS
INLINE f32x16 load_part(const float *p, ptrdiff_t count, float fill) {
  return (f32x16)_mm512_mask_loadu_ps((__m512)splat(fill), (__mmask16)((1u << count) - 1), p);
}
INLINE void store_part(float *p, f32x16 v, ptrdiff_t count) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
}
#else /* halves and quarters as they are, then lane by lane */
INLINE f32x4 load_part4(const float *p, ptrdiff_t count, float fill) {
  f32x4 v = (f32x4)(fill);
  if (count > 0)
    v.x = p[0];
  if (count > 1)
    v.y = p[1];
  if (count > 2)
    v.z = p[2];
  return v;
}
INLINE f32x8 load_part8(const float *p, ptrdiff_t count, float fill) {
  f32x8 v = (f32x8)(fill);
  if (count >= 4) {
    v.lo = *(const f32x4_unaligned *)p;
    v.hi = load_part4(p + 4, count - 4, fill);
  } else {
    v.lo = load_part4(p, count, fill);
  }
  return v;
}
INLINE f32x16 load_part(const float *p, ptrdiff_t count, float fill) {
  f32x16 v = splat(fill);
  if (count >= 8) {
    v.lo = *(const f32x8_unaligned *)p;
    if (count > 8)
      v.hi = load_part8(p + 8, count - 8, fill);
  } else {
    v.lo = load_part8(p, count, fill);
  }
  return v;
}
INLINE void store_part(float *p, f32x16 v, ptrdiff_t count) {
  f32x8 eight = v.lo;
  if (count & 8) {
    *(f32x8_unaligned *)p = eight;
    eight = v.hi;
    p += 8;
  }
  f32x4 four = eight.lo;
  if (count & 4) {
    *(f32x4_unaligned *)p = four;
    four = eight.hi;
    p += 4;
  }
  for (ptrdiff_t i = 0; i < (count & 3); i++)
    p[i] = four[i];
}
#endif

/* A row's lanes from `i` on, of `count` in all: a whole vector where there is one, else the part that is left. */
INLINE f32x16 load_at(const float *p, ptrdiff_t i, ptrdiff_t count, float fill) {
  return count - i >= PIXEL_LANES ? load(p + i) : load_part(p + i, count - i, fill);
}
INLINE void store_at(float *p, ptrdiff_t i, ptrdiff_t count, f32x16 v) {
  if (count - i >= PIXEL_LANES)
    store(p + i, v);
  else
    store_part(p + i, v, count - i);
}

/* Zero past the first `count` lanes. */
INLINE f32x16 first_lanes(f32x16 v, ptrdiff_t count) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane < (i32x16)((int)count) ? v : splat(0);
}

/* Selections rather than fmin and fmax: those leave the sign of zero open. */
INLINE f32x16 at_least(f32x16 v, float low) { return v < splat(low) ? splat(low) : v; }
INLINE f32x16 at_most(f32x16 v, float high) { return v > splat(high) ? splat(high) : v; }

/* The one tree of every sum over lanes: halves, quarters, eighths, sixteenths. */
INLINE float sum_of_lanes(f32x16 v) {
  __typeof__(v.lo) eight = v.lo + v.hi;
  __typeof__(eight.lo) four = eight.lo + eight.hi;
  return (four.x + four.z) + (four.y + four.w);
}

/* e^x = 2^n (1 + m) with n = round(x / ln 2), |r| ≤ ln 2 / 2 and m = e^r − 1: r + r² q(r), where q is the minimax
   polynomial of degree 4 (relative error of m below 9e-8). `scale` becomes 2^n. x must be within ±88. */
INLINE f32x16 reduced_expm1(f32x16 x, f32x16 *scale) {
  const f32x16 magic = splat(0x1.8p23f); /* adding it rounds to an integer, which is then in the low bits */
  f32x16 shifted = fma16(x, splat(0x1.715476p0f), magic);
  f32x16 n = shifted - magic;
  f32x16 r = fma16(n, splat(-0x1.62e400p-1f), x); /* ln 2 in two parts, the first exact in the product with n */
  r = fma16(n, splat(-0x1.7f7d1cp-20f), r);
  f32x16 q = fma16(splat(0x1.6d117cp-10f), r, splat(0x1.120be2p-7f));
  q = fma16(q, r, splat(0x1.555518p-5f));
  q = fma16(q, r, splat(0x1.5554dcp-3f));
  q = fma16(q, r, splat(0.5f));
  *scale = (f32x16)(((i32x16)shifted << 23) + 0x3f800000);
  return fma16(r * r, q, r);
}

/* e^x for x ≤ 0, zero below e^-87, where floats start to lose digits. */
INLINE f32x16 exp_not_positive(f32x16 x) {
  f32x16 scale, m = reduced_expm1(at_least(x, -87.0f), &scale);
  f32x16 y = fma16(m, scale, scale);
  return x < splat(-87.0f) ? splat(0.0f) : y;
}

/* x above 0, e^x − 1 below, which keeps the digits of small x; −1 to float precision past −30. */
INLINE f32x16 elu16(f32x16 x) {
  f32x16 scale, m = reduced_expm1(at_most(at_least(x, -30.0f), 0.0f), &scale);
  return x > splat(0.0f) ? x : fma16(m, scale, scale - 1.0f);
}

/* tanh(a) · σ(b) with one division: tanh(a) = −m / (m + 2) with m = e^(−2a) − 1, which keeps the digits of small a;
   σ(b) = 1 / (1 + e^−b). tanh is 1 to float precision past ±10. */
INLINE f32x16 gate16(f32x16 a, f32x16 b) {
  f32x16 scale_a, scale_b;
  f32x16 m = reduced_expm1(at_most(at_least(a * -2.0f, -20.0f), 20.0f), &scale_a);
  m = fma16(m, scale_a, scale_a - 1.0f);
  f32x16 e = reduced_expm1(at_most(at_least(-b, -80.0f), 80.0f), &scale_b);
  e = fma16(e, scale_b, scale_b);
  return -m / ((m + 2.0f) * (e + 1.0f));
}
