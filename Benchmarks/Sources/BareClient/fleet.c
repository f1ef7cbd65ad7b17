#include "fleet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

bool addresses_parse(struct addresses *addresses, const char *names) {
  addresses->count = 0;
  while (addresses->count < FLEET_ADDRESSES) {
    size_t length = strcspn(names, ",");
    char *name = addresses->names[addresses->count];
    if (length >= sizeof addresses->names[0]) return false;
    memcpy(name, names, length);
    name[length] = 0;
    if (inet_pton(AF_INET, name, &addresses->numbers[addresses->count]) != 1) return false;
    addresses->count++;
    if (names[length] == 0) return true;
    names += length + 1;
  }
  return false;
}

// The end of a connection

static void settle(struct fleet *fleet, struct connection *connection, enum step step) {
  bool was_opening = connection->step < STEP_SETTLED;
  connection->step = step;
  if (!was_opening) return;
  fleet->opening--;
  fleet->progress = clock_now();
}

static void note_failure(struct fleet *fleet, const char *reason) {
  // OpenSSL and the system keep their texts.
  if (fleet->failures < FLEET_REASONS) fleet->reasons[fleet->failures] = reason;
  fleet->failures++;
}

static void end(struct fleet *fleet, struct connection *connection) {
  tls_release(connection->ssl);
  free(connection->rest);
  if (connection->descriptor >= 0) close(connection->descriptor);
  connection->ssl = NULL;
  connection->rest = NULL;
  connection->descriptor = -1;
  settle(fleet, connection, STEP_CLOSED);
}

static void fail(struct fleet *fleet, struct connection *connection, const char *reason) {
  note_failure(fleet, reason);
  end(fleet, connection);
}

// Sending

static bool send_all(struct fleet *fleet, struct connection *connection, const char *bytes, size_t count) {
  // A few bytes always fit into an empty socket.
  ssize_t written = send(connection->descriptor, bytes, count, MSG_NOSIGNAL);
  if (written == (ssize_t)count) return true;
  fail(fleet, connection, written < 0 ? strerrordesc_np(errno) : "the socket is full");
  return false;
}

// Sends what OpenSSL has left for the peer.
static bool send_ciphertext(struct fleet *fleet, struct connection *connection) {
  size_t count = fleet->tls.output_count;
  fleet->tls.output_count = 0;
  return count == 0 || send_all(fleet, connection, fleet->tls.output, count);
}

static bool send_line(struct fleet *fleet, struct connection *connection, const char *line, size_t count) {
  if (!connection->ssl) return send_all(fleet, connection, line, count);
  ERR_clear_error();
  if (SSL_write(connection->ssl, line, (int)count) == (int)count) return send_ciphertext(fleet, connection);
  fail(fleet, connection, tls_reason(connection->ssl));
  return false;
}

static bool log_in(struct fleet *fleet, struct connection *connection) {
  char line[64];
  unsigned number = (unsigned)(connection - fleet->connections);
  int count = snprintf(line, sizeof line, "A1 LOGIN \"%u\" \"secret\"\r\n", number);
  return send_line(fleet, connection, line, (size_t)count);
}

// Reading lines

static bool starts(const char *line, size_t count, const char *prefix) {
  size_t length = strlen(prefix);
  return count >= length && memcmp(line, prefix, length) == 0;
}

// The number of `* n EXISTS`.
static bool read_exists(const char *line, size_t count, uint32_t *number) {
  if (!starts(line, count, "* ")) return false;
  uint64_t value = 0;
  size_t index = 2;
  while (index < count && line[index] >= '0' && line[index] <= '9' && value <= UINT32_MAX) {
    value = value * 10 + (uint64_t)(line[index++] - '0');
  }
  *number = (uint32_t)value;
  return index > 2 && value <= UINT32_MAX && starts(line + index, count - index, " EXISTS");
}

// One line while a connection is set up. Returns whether it lives on.
static bool go_on(struct fleet *fleet, struct connection *connection, const char *line, size_t count) {
  static const char select[] = "A2 SELECT \"INBOX\"\r\n", idle[] = "A3 IDLE\r\n";
  switch (connection->step) {
  case STEP_GREETING:
    if (!starts(line, count, "* OK")) break;
    connection->step = STEP_LOGIN;
    return log_in(fleet, connection);
  case STEP_LOGIN:
    if (!starts(line, count, "A1 ")) return true;
    if (!starts(line, count, "A1 OK")) break;
    if (fleet->goal == GOAL_LOGIN) {
      settle(fleet, connection, STEP_SETTLED);
      return true;
    }
    connection->step = STEP_SELECT;
    return send_line(fleet, connection, select, sizeof select - 1);
  case STEP_SELECT:
    if (!starts(line, count, "A2 ")) return true;
    if (!starts(line, count, "A2 OK")) break;
    connection->step = STEP_IDLE;
    return send_line(fleet, connection, idle, sizeof idle - 1);
  case STEP_IDLE:
    if (starts(line, count, "+")) settle(fleet, connection, STEP_SETTLED);
    if (!starts(line, count, "A3 ")) return true;
    break;
  default: return true;
  }
  fail(fleet, connection, "refused");
  return false;
}

static bool keep_rest(struct fleet *fleet, struct connection *connection, const char *bytes, size_t count) {
  if (count > FLEET_LINE_LIMIT) {
    fail(fleet, connection, "a line is too long");
    return false;
  }
  struct rest *rest = malloc(sizeof *rest + count);
  if (!rest) {
    fail(fleet, connection, "no memory");
    return false;
  }
  rest->count = count;
  memcpy(rest->bytes, bytes, count);
  connection->rest = rest;
  return true;
}

// Takes `count` bytes, which have FLEET_LINE_LIMIT bytes of room before them. Returns whether the connection lives on.
static bool take_lines(struct fleet *fleet, struct connection *connection, char *bytes, size_t count) {
  if (connection->rest) {
    struct rest *rest = connection->rest;
    bytes -= rest->count;
    count += rest->count;
    memcpy(bytes, rest->bytes, rest->count);
    connection->rest = NULL;
    free(rest);
  }
  const char *line = bytes, *last = bytes + count, *newline;
  while (line < last && (newline = memchr(line, '\n', (size_t)(last - line)))) {
    size_t length = (size_t)(newline - line);
    uint32_t number;
    if (connection->step != STEP_SETTLED) {
      if (!go_on(fleet, connection, line, length)) return false;
    } else if (read_exists(line, length, &number)) {
      tally_received(&fleet->tally, number, &connection->told);
    }
    line = newline + 1;
  }
  return line == last || keep_rest(fleet, connection, line, (size_t)(last - line));
}

// TLS

static bool tls_may_go_on(struct fleet *fleet, struct connection *connection, int status) {
  int error = SSL_get_error(connection->ssl, status);
  // An alert tells the peer what was wrong.
  if (!send_ciphertext(fleet, connection)) return false;
  if (error == SSL_ERROR_WANT_READ) return true;
  fail(fleet, connection, error == SSL_ERROR_ZERO_RETURN ? "closed by the server" : tls_reason(connection->ssl));
  return false;
}

static bool shake_hands(struct fleet *fleet, struct connection *connection) {
  ERR_clear_error();
  int status = SSL_do_handshake(connection->ssl);
  if (status != 1) return tls_may_go_on(fleet, connection, status);
  connection->step = STEP_GREETING;
  return send_ciphertext(fleet, connection);
}

// Decrypts all of the input.
static bool decrypt(struct fleet *fleet, struct connection *connection) {
  struct tls *tls = &fleet->tls;
  char *plain = fleet->plain + FLEET_LINE_LIMIT;
  if (connection->step == STEP_CONNECTED && !shake_hands(fleet, connection)) return false;
  // To be told that nothing is left costs OpenSSL a buffer, which it takes for each attempt and gives back.
  while (tls->input_count > 0 || SSL_has_pending(connection->ssl)) {
    ERR_clear_error();
    int count = SSL_read(connection->ssl, plain, FLEET_READ_SIZE);
    if (count <= 0) return tls_may_go_on(fleet, connection, count);
    if (!take_lines(fleet, connection, plain, (size_t)count)) return false;
  }
  return send_ciphertext(fleet, connection);
}

static bool start_tls(struct fleet *fleet, struct connection *connection) {
  size_t index = (size_t)(connection - fleet->connections);
  connection->ssl = tls_session(&fleet->tls, fleet->hosts.names[index % fleet->hosts.count]);
  if (connection->ssl) return shake_hands(fleet, connection);
  fail(fleet, connection, "OpenSSL has no memory for a session");
  return false;
}

// Connecting

static bool bind_source(const struct fleet *fleet, int descriptor, size_t index) {
  if (fleet->sources.count == 0) return true;
  size_t source = index / fleet->hosts.count / FLEET_CONNECTIONS_PER_SOURCE;
  if (source >= fleet->sources.count) source = fleet->sources.count - 1;
  int on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = fleet->sources.numbers[source]};
  // The port is chosen when the server is known, and may be used for several servers.
  return setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0
         && bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0;
}

// A socket that begins to connect; -1 where that is refused.
static int connect_socket(const struct fleet *fleet, size_t index) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fleet->port)};
  address.sin_addr.s_addr = fleet->hosts.numbers[index % fleet->hosts.count];
  int on = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  // Small commands must not wait for the acknowledgement of the one before.
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind_source(fleet, descriptor, index)
      && (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS)) {
    return descriptor;
  }
  int reason = errno;
  close(descriptor);
  errno = reason;
  return -1;
}

static void open_one(struct fleet *fleet) {
  size_t index = fleet->count++;
  struct connection *connection = &fleet->connections[index];
  *connection = (struct connection){.descriptor = connect_socket(fleet, index)};
  // Without TLS the server is the first to speak.
  connection->step = fleet->is_tls ? STEP_CONNECTED : STEP_GREETING;
  fleet->opening++;
  if (connection->descriptor < 0) return fail(fleet, connection, strerrordesc_np(errno));
  // By edges: nothing is ever changed, and the kernel does not look again at a socket that was read until it was empty.
  uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (fleet->is_tls ? EPOLLOUT : 0u);
  struct epoll_event event = {.events = events, .data.u64 = index};
  if (epoll_ctl(fleet->poll, EPOLL_CTL_ADD, connection->descriptor, &event) != 0) {
    fail(fleet, connection, strerrordesc_np(errno));
  }
}

static void open_more(struct fleet *fleet) {
  while (fleet->count < fleet->wanted && fleet->opening < fleet->in_flight) open_one(fleet);
}

bool fleet_open(struct fleet *fleet, size_t count) {
  if (count > UINT32_MAX - fleet->wanted) return false;
  // Never moved while one of them is in use.
  struct connection *connections = reallocarray(fleet->connections, fleet->wanted + count, sizeof *connections);
  if (!connections) return false;
  fleet->connections = connections;
  fleet->wanted += count;
  fleet->progress = clock_now();
  open_more(fleet);
  return true;
}

bool fleet_is_settled(const struct fleet *fleet) { return fleet->opening == 0 && fleet->count == fleet->wanted; }

void fleet_check_progress(struct fleet *fleet) {
  if (fleet_is_settled(fleet) || clock_now() - fleet->progress < fleet->setup_nanoseconds) return;
  for (size_t index = 0; index < fleet->count; index++) {
    struct connection *connection = &fleet->connections[index];
    if (connection->step < STEP_SETTLED) fail(fleet, connection, "timed out");
  }
  open_more(fleet);
}

// Reading sockets

// Reads once. Returns whether there may be more, which there is up to the end where the server has ended.
static bool read_some(struct fleet *fleet, struct connection *connection, bool has_ended) {
  char *bytes = fleet->input + FLEET_LINE_LIMIT;
  ssize_t count = read(connection->descriptor, bytes, FLEET_READ_SIZE);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
  if (count <= 0) {
    fail(fleet, connection, count == 0 ? "closed by the server" : strerrordesc_np(errno));
    return false;
  }
  if (connection->ssl) {
    fleet->tls.input = bytes;
    fleet->tls.input_count = (size_t)count;
    if (!decrypt(fleet, connection)) return false;
  } else if (!take_lines(fleet, connection, bytes, (size_t)count)) {
    return false;
  }
  // epoll(7): what was read in part is empty, and the next byte is told as a new edge.
  return has_ended || count == FLEET_READ_SIZE;
}

void fleet_ready(struct fleet *fleet, size_t index, uint32_t events) {
  if (index >= fleet->count) return;
  struct connection *connection = &fleet->connections[index];
  if (connection->step == STEP_CLOSED) return;
  bool starts_tls = fleet->is_tls && !connection->ssl;
  bool has_ended = events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP);
  if (starts_tls && !has_ended && !start_tls(fleet, connection)) return open_more(fleet);
  if (has_ended || events & EPOLLIN) {
    while (read_some(fleet, connection, has_ended)) continue;
  }
  open_more(fleet);
}
