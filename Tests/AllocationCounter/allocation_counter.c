// The allocator's functions, each counted and handed on to glibc under its other name. A program's own definitions come
// before those of the libraries that it is linked with, so the Swift runtime calls these.

// memmem
#define _GNU_SOURCE
#include "allocation_counter.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

// Sanitizers bring an allocator of their own, and call it before they are ready for anybody else's.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

#if defined(__GLIBC__) && !defined(IS_SANITIZED)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

// For each thread by itself: tests run side by side. In the program's static storage, so reading it allocates nothing.
static _Thread_local uint64_t allocations __attribute__((tls_model("initial-exec")));

// The library that runs the tests notes where each error was thrown, which allocates. This is where the Swift runtime
// keeps its function for errors of typed throws.
typedef void (*throw_handler)(void *error, const void *type, const void *conformance);
extern _Atomic(throw_handler) _swift_willThrowTypedImpl __attribute__((weak));

static _Atomic(throw_handler) noted_by;
static _Thread_local int is_measuring __attribute__((tls_model("initial-exec")));

static void note_throw(void *error, const void *type, const void *conformance) {
  throw_handler handler = atomic_load(&noted_by);
  if (!is_measuring && handler != NULL) handler(error, type, conformance);
}

uint64_t allocation_counter_begin(void) {
  if (&_swift_willThrowTypedImpl != NULL) {
    throw_handler handler = atomic_load(&_swift_willThrowTypedImpl);
    if (handler != note_throw) {
      atomic_store(&noted_by, handler);
      atomic_store(&_swift_willThrowTypedImpl, note_throw);
    }
  }
  is_measuring = 1;
  return allocations;
}

uint64_t allocation_counter_end(void) {
  is_measuring = 0;
  return allocations;
}

int allocation_counter_works(void) { return 1; }

static _Thread_local const void *watched __attribute__((tls_model("initial-exec")));
static _Thread_local size_t watched_count __attribute__((tls_model("initial-exec")));
static _Thread_local uint64_t sightings __attribute__((tls_model("initial-exec")));

void allocation_counter_watch(const void *bytes, size_t count) {
  watched = bytes;
  watched_count = count;
  sightings = 0;
}

uint64_t allocation_counter_sightings(void) { return sightings; }

void free(void *block) {
  if (watched != NULL && block != NULL && memmem(block, malloc_usable_size(block), watched, watched_count) != NULL)
    sightings++;
  __libc_free(block);
}

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  allocations++;
  return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
  allocations++;
  void *new = __libc_memalign(alignment, size);
  if (new == NULL) return ENOMEM;
  *block = new;
  return 0;
}

#else

uint64_t allocation_counter_begin(void) { return 0; }

uint64_t allocation_counter_end(void) { return 0; }

int allocation_counter_works(void) { return 0; }

void allocation_counter_watch(const void *bytes, size_t count) {}

uint64_t allocation_counter_sightings(void) { return 0; }

#endif
