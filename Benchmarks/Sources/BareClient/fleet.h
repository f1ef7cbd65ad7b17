#ifndef BARE_CLIENT_FLEET_H
#define BARE_CLIENT_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tally.h"
#include "tls.h"

enum {
  FLEET_ADDRESSES = 16,
  FLEET_REASONS = 5,
  /// Large enough for a longest record, so that one read empties the socket.
  FLEET_READ_SIZE = 64 * 1024,
  /// The longest beginning of a line that is kept until the rest comes.
  FLEET_LINE_LIMIT = 8 * 1024,
  /// Connections from one address to one of the server's, before the next address is used (SocketOptions.swift).
  FLEET_CONNECTIONS_PER_SOURCE = 12000,
};

/// Up to where each connection goes.
enum fleet_goal { GOAL_LOGIN, GOAL_IDLE };

/// The beginning of a line, whose end has not come yet.
struct rest {
  size_t count;
  char bytes[];
};

/// What a connection waits for.
enum step { STEP_CONNECTED, STEP_GREETING, STEP_LOGIN, STEP_SELECT, STEP_IDLE, STEP_SETTLED, STEP_CLOSED };

struct connection {
  /// NULL without TLS, and before it begins.
  SSL *ssl;
  /// NULL most of the time.
  struct rest *rest;
  int descriptor;
  uint8_t step;
  /// The last generation in which an event came.
  uint8_t told;
};

/// Addresses as they were given, and as the kernel wants them.
struct addresses {
  size_t count;
  char names[FLEET_ADDRESSES][16];
  uint32_t numbers[FLEET_ADDRESSES];
};

/// Many connections, with the least that each needs: no parser, no timers, no queues.
struct fleet {
  int poll;
  bool is_tls;
  uint16_t port;
  struct addresses hosts;
  struct addresses sources;
  enum fleet_goal goal;
  size_t in_flight;
  uint64_t setup_nanoseconds;

  struct connection *connections;
  size_t count;
  size_t wanted;
  size_t opening;
  /// When one has settled last, or has begun.
  uint64_t progress;
  size_t failures;
  const char *reasons[FLEET_REASONS];

  struct tally tally;
  struct tls tls;
  /// What was read, with room before it for the beginning of a line; ciphertext is decrypted into the other one.
  char input[FLEET_LINE_LIMIT + FLEET_READ_SIZE];
  char plain[FLEET_LINE_LIMIT + FLEET_READ_SIZE];
};

/// Sets addresses from names with commas in between. Returns whether there is one at least, and all are numeric.
bool addresses_parse(struct addresses *addresses, const char *names);

/// Begins to open so many more connections. Returns whether there is memory for them.
bool fleet_open(struct fleet *fleet, size_t count);

/// Whether each connection is where it goes, or has failed.
bool fleet_is_settled(const struct fleet *fleet);

/// Something happened to the socket of a connection.
void fleet_ready(struct fleet *fleet, size_t index, uint32_t events);

/// Gives up those that are being opened, where none has got anywhere for so long as that may take.
void fleet_check_progress(struct fleet *fleet);

#endif
