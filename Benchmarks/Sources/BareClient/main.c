// What the kernel and OpenSSL take: a client of the benchmark's far end, on epoll, that does the least that a C program can.
// It is the yardstick for `loop-benchmark client`, whose commands on standard input it understands as far as they are needed.
//
//     bare-client client KIND BASE CERTIFICATE PORT HOST,...
//
// LoopBenchmark.swift explains the arguments.

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fleet.h"

enum { EVENTS = 1024, LINE_SIZE = 4096, WORDS = 8, TICK_MILLISECONDS = 1000 };

static const uint64_t COMMANDS = UINT64_MAX;

struct program {
  struct fleet fleet;
  // Of the command that is under way.
  bool is_opening;
  struct moment open_start;
  bool is_awaiting;
  uint64_t await_nanoseconds;
  // How much had come when something came last, and when that was seen.
  size_t seen;
  uint64_t seen_at;
  size_t line_count;
  char line[LINE_SIZE];
};

static struct program program;

static void stop(const char *why, const char *what) {
  fprintf(stderr, "bare-client: %s%s\n", why, what);
  exit(1);
}

static uint64_t number(const char *text, uint64_t limit) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != 0 || value > limit) stop("no number: ", text);
  return value;
}

// Answers

static void say(const char *line) {
  puts(line);
  fflush(stdout);
}

static uint64_t resident_bytes(void) {
  unsigned long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file) return 0;
  if (fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
  fclose(file);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void say_memory(void) {
  struct mallinfo2 info = mallinfo2();
  printf("memory\t%" PRIu64 "\t%zu\n", resident_bytes(), info.uordblks + info.hblkhd);
  fflush(stdout);
}

static void say_opened(void) {
  const struct fleet *fleet = &program.fleet;
  uint64_t wall = clock_now() - program.open_start.wall, cpu = clock_process_cpu() - program.open_start.cpu;
  printf("open\t%zu\t%" PRIu64 "\t%" PRIu64 "\t", fleet->failures, wall, cpu);
  for (size_t index = 0; index < fleet->failures && index < FLEET_REASONS; index++) {
    printf("%s%s", index > 0 ? "; " : "", fleet->reasons[index]);
  }
  say("");
}

// The numbers of those whom the last burst has not told, and how many there are.
static size_t missing(char *names, size_t size) {
  size_t count = 0, length = 0;
  names[0] = 0;
  for (size_t index = 0; index < program.fleet.count; index++) {
    if (program.fleet.connections[index].told == program.fleet.tally.generation) continue;
    if (count < 10) length += (size_t)snprintf(names + length, size - length, "%s%zu", count > 0 ? " " : "", index);
    count++;
  }
  return count;
}

static void say_events(void) {
  struct tally *tally = &program.fleet.tally;
  char names[10 * 21 + 1];
  size_t lost = missing(names, sizeof names);
  uint64_t middle = tally_percentile(tally, 50), slow = tally_percentile(tally, 99);
  printf("events\t%zu\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t", tally->events, middle, slow, tally->taken.cpu,
         tally->taken.wall);
  // Nobody counts allocations here.
  printf("0\t%zu\t%zu\t%" PRIu64 "\t%" PRIu64 "\t%s\n", tally->doubled, lost, tally->taken.user, tally->taken.system, names);
  fflush(stdout);
}

// Commands

static void set_fleet(char **words) {
  struct fleet *fleet = &program.fleet;
  if (fleet->count > 0) stop("the fleet is open already", "");
  fleet->goal = strcmp(words[1], "login") == 0 ? GOAL_LOGIN : GOAL_IDLE;
  fleet->in_flight = number(words[2], UINT32_MAX);
  fleet->setup_nanoseconds = number(words[3], UINT32_MAX) * 1000000000u;
  if (strcmp(words[4], "-") != 0 && !addresses_parse(&fleet->sources, words[4])) stop("no addresses: ", words[4]);
  say("fleet");
}

static void open_connections(char **words) {
  program.open_start = (struct moment){.wall = clock_now(), .cpu = clock_process_cpu()};
  program.is_opening = true;
  if (!fleet_open(&program.fleet, number(words[1], UINT32_MAX))) stop("no memory for connections", "");
}

static void expect(char **words) {
  if (strcmp(words[1], "fleet") != 0) stop("no such clients: ", words[1]);
  bool is_for_each = strcmp(words[2], "each") == 0;
  if (!tally_expect(&program.fleet.tally, number(words[3], UINT32_MAX), is_for_each)) stop("no memory", "");
  say("expecting");
}

static size_t seen(void) { return program.fleet.tally.events + program.fleet.tally.doubled; }

static void await_events(char **words) {
  program.await_nanoseconds = number(words[2], UINT32_MAX) * 1000000000u;
  program.is_awaiting = true;
  program.seen = seen();
  program.seen_at = clock_now();
}

static void say_cpu(void) {
  printf("cpu\t%" PRIu64 "\n", clock_process_cpu());
  fflush(stdout);
}

static void obey(char *line) {
  char *words[WORDS] = {0}, *state = NULL;
  size_t count = 0;
  for (char *word = strtok_r(line, " ", &state); word && count < WORDS; word = strtok_r(NULL, " ", &state)) {
    words[count++] = word;
  }
  const char *name = count > 0 ? words[0] : "";
  if (strcmp(name, "fleet") == 0 && count == 5) return set_fleet(words);
  if (strcmp(name, "open") == 0 && count == 2) return open_connections(words);
  if (strcmp(name, "memory") == 0 && count == 1) return say_memory();
  if (strcmp(name, "expect") == 0 && count == 4) return expect(words);
  if (strcmp(name, "await") == 0 && count == 3) return await_events(words);
  if (strcmp(name, "cpu") == 0 && count == 1) return say_cpu();
  stop("unknown command: ", name);
}

static void read_commands(void) {
  ssize_t count = read(STDIN_FILENO, program.line + program.line_count, sizeof program.line - program.line_count);
  if (count <= 0) exit(0);
  program.line_count += (size_t)count;
  char *newline;
  while ((newline = memchr(program.line, '\n', program.line_count))) {
    size_t length = (size_t)(newline - program.line) + 1;
    *newline = 0;
    obey(program.line);
    program.line_count -= length;
    memmove(program.line, program.line + length, program.line_count);
  }
  if (program.line_count == sizeof program.line) stop("a command is too long", "");
}

// The loop

// Answers the command that is under way, where it is over.
static void answer(void) {
  if (program.is_opening && fleet_is_settled(&program.fleet)) {
    program.is_opening = false;
    say_opened();
  }
  if (program.is_awaiting && program.fleet.tally.events >= program.fleet.tally.awaited) {
    program.is_awaiting = false;
    say_events();
  }
}

// Nothing has happened for a second.
static void tick(void) {
  fleet_check_progress(&program.fleet);
  if (!program.is_awaiting) return;
  if (seen() != program.seen) {
    program.seen = seen();
    program.seen_at = clock_now();
  } else if (clock_now() - program.seen_at >= program.await_nanoseconds) {
    program.is_awaiting = false;
    say_events();
  }
}

static void run(void) {
  static struct epoll_event events[EVENTS];
  while (true) {
    int timeout = program.is_opening || program.is_awaiting ? TICK_MILLISECONDS : -1;
    int count = epoll_wait(program.fleet.poll, events, EVENTS, timeout);
    if (count < 0 && errno != EINTR) stop("cannot wait: ", strerror(errno));
    if (count == 0) tick();
    for (int index = 0; index < count; index++) {
      if (events[index].data.u64 == COMMANDS) {
        read_commands();
      } else {
        fleet_ready(&program.fleet, events[index].data.u64, events[index].events);
      }
    }
    answer();
  }
}

static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **arguments) {
  if (count != 7 || strcmp(arguments[1], "client") != 0) stop("see the sources for usage", "");
  struct fleet *fleet = &program.fleet;
  fleet->is_tls = strcmp(arguments[2], "plain") != 0;
  fleet->tally.base = number(arguments[3], UINT64_MAX);
  fleet->port = (uint16_t)number(arguments[5], UINT16_MAX);
  if (!addresses_parse(&fleet->hosts, arguments[6])) stop("no addresses: ", arguments[6]);
  bool resumes = strcmp(arguments[2], "tls") == 0;
  if (fleet->is_tls && !tls_set_up(&fleet->tls, arguments[4], resumes)) stop("cannot trust ", arguments[4]);
  raise_file_limit();
  fleet->poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = COMMANDS};
  if (fleet->poll < 0 || epoll_ctl(fleet->poll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) {
    stop("cannot poll: ", strerror(errno));
  }
  say("ready");
  run();
}
