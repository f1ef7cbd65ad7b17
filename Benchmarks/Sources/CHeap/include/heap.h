#ifndef HEAP_H
#define HEAP_H

#include <stdint.h>

/// Bytes that are allocated and not freed, of all threads; 0 where that cannot be known.
uint64_t heap_bytes(void);

/// Gives pages that hold nothing back to the system. Returns whether there were any.
int heap_trim(void);

#endif
