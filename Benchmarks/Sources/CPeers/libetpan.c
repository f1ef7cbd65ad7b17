#include "peers.h"

#include <libetpan/libetpan.h>
#include <stdlib.h>
#include <string.h>

// Exported by the library, but declared in a header that is not installed.
int mailimap_cont_req_or_resp_data_parse(
    mailstream *stream, MMAPString *buffer, struct mailimap_parser_context *context, size_t *index,
    struct mailimap_cont_req_or_resp_data **result, size_t progress_rate, progress_function *progress);

// The parser reads one line ahead, so one more has to follow the last response.
static const char sentinel[] = "* OK end\r\n";

typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t position;
  size_t chunk;
  size_t sentinel_position;
} memory;

static ssize_t memory_read(mailstream_low *low, void *target, size_t wanted) {
  memory *source = low->data;
  size_t left = source->count - source->position;
  if (left == 0) {
    size_t rest = sizeof sentinel - 1 - source->sentinel_position;
    if (rest > wanted) rest = wanted;
    memcpy(target, sentinel + source->sentinel_position, rest);
    source->sentinel_position += rest;
    return (ssize_t)rest;
  }
  size_t size = wanted < source->chunk ? wanted : source->chunk;
  if (size > left) size = left;
  memcpy(target, source->bytes + source->position, size);
  source->position += size;
  return (ssize_t)size;
}

static ssize_t memory_write(mailstream_low *low, const void *bytes, size_t count) {
  (void)low, (void)bytes;
  return (ssize_t)count;
}

static int memory_close(mailstream_low *low) { return (void)low, 0; }
static int memory_descriptor(mailstream_low *low) { return (void)low, -1; }
static void memory_free(mailstream_low *low) { free(low); }
static void memory_cancel(mailstream_low *low) { (void)low; }
static struct mailstream_cancel *memory_get_cancel(mailstream_low *low) { return (void)low, NULL; }

static mailstream_low_driver memory_driver = {
    .mailstream_read = memory_read,
    .mailstream_write = memory_write,
    .mailstream_close = memory_close,
    .mailstream_get_fd = memory_descriptor,
    .mailstream_free = memory_free,
    .mailstream_cancel = memory_cancel,
    .mailstream_get_cancel = memory_get_cancel,
};

peer_result peer_libetpan(const uint8_t *bytes, size_t count, size_t chunk) {
  peer_result result = {0, 0};
  memory source = {bytes, count, 0, chunk, 0};
  mailstream *stream = mailstream_new(mailstream_low_new(&source, &memory_driver), chunk);
  mailimap *session = mailimap_new(0, NULL);
  struct mailimap_parser_context *context = mailimap_parser_context_new(session);
  MMAPString *buffer = mmap_string_sized_new(chunk);

  char *line = mailstream_read_line(stream, buffer);
  while (line != NULL && buffer->len > 0) {
    if (source.sentinel_position > 0 && strcmp(buffer->str, sentinel) == 0) break;
    struct mailimap_cont_req_or_resp_data *response = NULL;
    size_t index = 0;
    int status =
        buffer->str[0] == '*' || buffer->str[0] == '+'
            ? mailimap_cont_req_or_resp_data_parse(stream, buffer, context, &index, &response, 0, NULL)
            : MAILIMAP_ERROR_PARSE;
    if (status == MAILIMAP_NO_ERROR) {
      result.responses += 1;
      mailimap_cont_req_or_resp_data_free(response);
      // What is left is the line that was read ahead.
      mmap_string_erase(buffer, 0, index);
    } else if (status == MAILIMAP_ERROR_PARSE) {
      // The line that ends a command is no part of what this function parses; there is one in thousands.
      if (buffer->str[0] == '*' || buffer->str[0] == '+') result.refused += 1;
      line = mailstream_read_line(stream, buffer);
    } else {
      result.refused += 1;
      break;
    }
  }

  mmap_string_free(buffer);
  mailimap_parser_context_free(context);
  mailimap_free(session);
  mailstream_close(stream);
  return result;
}
