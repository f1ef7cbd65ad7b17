#ifndef BARE_CLIENT_TALLY_H
#define BARE_CLIENT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Nanoseconds of the monotonic clock, which all processes share.
uint64_t clock_now(void);

/// Nanoseconds that this process has computed, in the kernel too.
uint64_t clock_process_cpu(void);

/// What a measurement starts and ends with.
struct moment {
  uint64_t wall;
  uint64_t cpu;
  /// Of `cpu`, as the kernel divides it: by what it finds the thread at when its clock ticks.
  uint64_t user;
  uint64_t system;
};

/// The events that a measurement waits for, as EventTally.swift has them.
struct tally {
  /// The moment that stamps count from.
  uint64_t base;
  size_t awaited;
  size_t events;
  /// Events for those who had been told before, where each is told once.
  size_t doubled;
  /// Whoever has this number was told.
  uint8_t generation;
  bool is_for_each;
  /// Nanoseconds from the stamp to here; there is room for those that are awaited.
  uint64_t *latencies;
  size_t room;
  struct moment start;
  /// From the first event to the last. 0 where not all came.
  struct moment taken;
};

/// Counts from zero, up to so many events; where they are `is_for_each`, each must be for somebody else. Returns whether there
/// is memory for them.
bool tally_expect(struct tally *tally, size_t count, bool is_for_each);

/// One event came, for somebody who was `told` in that generation before.
void tally_received(struct tally *tally, uint32_t stamp, uint8_t *told);

/// Nanoseconds that so many of a hundred events did not exceed. Sorts them.
uint64_t tally_percentile(struct tally *tally, unsigned percent);

#endif
