// Tells ThreadSanitizer when a Synchronization.Mutex is taken and given back. Scripts/sanitize links this into the builds for it.
//
// The fast path of Mutex (an atomic exchange of its word) is inlined into our modules, so that ThreadSanitizer sees it. Under
// contention the inlined code calls _MutexHandle._lockSlow and _unlockSlow in libswiftSynchronization, which is built without
// ThreadSanitizer: there the kernel exchanges the word (FUTEX_LOCK_PI, FUTEX_UNLOCK_PI). Who got the lock that way holds it, but
// for ThreadSanitizer has never seen what its last owner wrote, and all that the lock guards is reported as a race.
//
// These functions stand before the library's, call them, and say what they do. They hide nothing: data that is touched without
// the lock is reported as ever (Scripts/sanitize checks that with race.swift).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// Of ThreadSanitizer's runtime, by whatever address: here the lock's word, which is what the inlined atomics use.
void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// Mangled: Synchronization._MutexHandle._lockSlow(UInt32) -> (), ._tryLockSlow() -> Bool, ._unlockSlow() -> (). `self` is borrowed
// and cannot be copied, and so comes by address.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF void *self) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF void *self) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF void *self) __asm__(UNLOCK);

// dlsym has a lock of its own, and is asked once: a race of two to do so stores the same value.
static void *real(void **known, const char *name) {
  void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
  if (found) return found;
  found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  __atomic_store_n(known, found, __ATOMIC_RELAXED);
  return found;
}

SWIFT void lock_slow(uint32_t thread, SELF void *self) {
  static void *known;
  ((SWIFT void (*)(uint32_t, SELF void *))real(&known, LOCK))(thread, self);
  __tsan_acquire(self);
}

SWIFT bool try_lock_slow(SELF void *self) {
  static void *known;
  bool is_locked = ((SWIFT bool (*)(SELF void *))real(&known, TRY_LOCK))(self);
  if (is_locked) __tsan_acquire(self);
  return is_locked;
}

SWIFT void unlock_slow(SELF void *self) {
  static void *known;
  __tsan_release(self);
  ((SWIFT void (*)(SELF void *))real(&known, UNLOCK))(self);
}
