#ifndef PEERS_H
#define PEERS_H

#include <stddef.h>
#include <stdint.h>

/// What a peer made of its input.
typedef struct {
  uint64_t responses;
  /// Responses that it could not parse and stepped over.
  uint64_t refused;
} peer_result;

/// Walks `count` bytes through a table of 256 states. Each step waits for the one before: what a byte-wise state machine in C
/// reaches at best. Returns the last state.
uint8_t peer_table_loop(const uint8_t *bytes, size_t count, uint8_t state);

/// Parses `count` bytes with libetpan, in reads of `chunk` bytes. Each response becomes a typed value that is freed before
/// the next one.
peer_result peer_libetpan(const uint8_t *bytes, size_t count, size_t chunk);

#endif
