#include "tally.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

// Stamp.swift: tenths of a microsecond.
enum { NANOSECONDS_OF_STAMP = 100 };

static uint64_t clock_of(clockid_t clock) {
  struct timespec time = {0};
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t clock_now(void) { return clock_of(CLOCK_MONOTONIC); }

uint64_t clock_process_cpu(void) { return clock_of(CLOCK_PROCESS_CPUTIME_ID); }

static uint64_t nanoseconds(struct timeval time) {
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

static struct moment moment_now(void) {
  struct rusage usage = {0};
  getrusage(RUSAGE_THREAD, &usage);
  return (struct moment){
      .wall = clock_now(),
      .cpu = clock_of(CLOCK_THREAD_CPUTIME_ID),
      .user = nanoseconds(usage.ru_utime),
      .system = nanoseconds(usage.ru_stime),
  };
}

static struct moment between(struct moment start, struct moment end) {
  return (struct moment){end.wall - start.wall, end.cpu - start.cpu, end.user - start.user, end.system - start.system};
}

bool tally_expect(struct tally *tally, size_t count, bool is_for_each) {
  if (count > tally->room) {
    uint64_t *latencies = reallocarray(tally->latencies, count, sizeof *latencies);
    if (!latencies) return false;
    tally->latencies = latencies;
    tally->room = count;
  }
  tally->awaited = count;
  tally->events = 0;
  tally->doubled = 0;
  tally->start = tally->taken = (struct moment){0};
  tally->is_for_each = is_for_each;
  if (is_for_each) tally->generation++;
  return true;
}

static uint64_t age(const struct tally *tally, uint32_t stamp) {
  uint64_t sent = tally->base + (uint64_t)stamp * NANOSECONDS_OF_STAMP;
  uint64_t now = clock_now();
  return now > sent ? now - sent : 0;
}

void tally_received(struct tally *tally, uint32_t stamp, uint8_t *told) {
  if (tally->start.wall == 0) tally->start = moment_now();
  if (tally->is_for_each) {
    if (*told == tally->generation) {
      tally->doubled++;
      return;
    }
    *told = tally->generation;
  }
  // More than were asked for: they are counted, which fails the run.
  if (tally->events < tally->awaited) tally->latencies[tally->events] = age(tally, stamp);
  tally->events++;
  if (tally->events == tally->awaited) tally->taken = between(tally->start, moment_now());
}

static int compare(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

uint64_t tally_percentile(struct tally *tally, unsigned percent) {
  size_t count = tally->events < tally->awaited ? tally->events : tally->awaited;
  if (count == 0) return 0;
  qsort(tally->latencies, count, sizeof *tally->latencies, compare);
  return tally->latencies[count * percent / 100];
}
