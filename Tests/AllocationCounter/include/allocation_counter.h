#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stddef.h>
#include <stdint.h>

/// How many blocks the calling thread has been given since it began, by malloc and all functions like it. A block that
/// realloc resizes counts as one more. Until the other call, errors thrown on this thread are not written down for
/// reports of the tests: that would be counted.
uint64_t allocation_counter_begin(void);

/// The same number, at the end of what is measured.
uint64_t allocation_counter_end(void);

/// Whether allocations are counted at all: the counter stands in front of glibc's allocator.
int allocation_counter_works(void);

/// From now on the calling thread looks for these bytes in each block that it frees; NULL ends that. They are not copied.
void allocation_counter_watch(const void *bytes, size_t count);

/// In how many freed blocks the bytes were found since they were named.
uint64_t allocation_counter_sightings(void);

#endif
