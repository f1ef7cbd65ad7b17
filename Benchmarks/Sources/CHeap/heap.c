#include "heap.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>

uint64_t heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

int heap_trim(void) { return malloc_trim(0); }
#else
uint64_t heap_bytes(void) { return 0; }
int heap_trim(void) { return 0; }
#endif
