#include "peers.h"

// Any permutation serves: what counts is that the next look-up needs the result of this one.
#define ROW(n) (uint8_t)((n) * 167 + 13)
#define ROWS4(n) ROW(n), ROW(n + 1), ROW(n + 2), ROW(n + 3)
#define ROWS16(n) ROWS4(n), ROWS4(n + 4), ROWS4(n + 8), ROWS4(n + 12)
#define ROWS64(n) ROWS16(n), ROWS16(n + 16), ROWS16(n + 32), ROWS16(n + 48)

static const uint8_t next_state[256] = {ROWS64(0), ROWS64(64), ROWS64(128), ROWS64(192)};

uint8_t peer_table_loop(const uint8_t *bytes, size_t count, uint8_t state) {
  for (size_t index = 0; index < count; index++) state = next_state[(uint8_t)(state + bytes[index])];
  return state;
}
