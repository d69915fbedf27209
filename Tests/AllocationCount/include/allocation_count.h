/* How often the calling thread has asked for memory: for tests that hold code to allocating nothing. Linking this
   target replaces malloc and its relatives in the whole test program by ones that count and pass on to glibc's. */
#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stdbool.h>

/* False under a sanitizer, which has replaced malloc itself, and without glibc: then nothing is counted. */
bool allocation_count_is_available(void);

/* Calls of malloc, calloc, realloc, memalign, aligned_alloc and posix_memalign by this thread so far. */
long allocation_count(void);

#endif
