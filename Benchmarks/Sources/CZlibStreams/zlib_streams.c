#include "zlib_streams.h"

#include <stdlib.h>
#include <zlib.h>

static uint64_t allocated;

static voidpf count(voidpf opaque, uInt items, uInt size) {
  (void)opaque;
  allocated += (uint64_t)items * size;
  return calloc(items, size);
}

static void release(voidpf opaque, voidpf memory) {
  (void)opaque;
  free(memory);
}

uint64_t zlib_streams_bytes(void) {
  z_stream out = {.zalloc = count, .zfree = release}, in = {.zalloc = count, .zfree = release};
  unsigned char plain[100] = {0}, compressed[200], back[100];
  allocated = 0;
  if (deflateInit2(&out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
  if (inflateInit2(&in, -15) != Z_OK) return 0;
  out.next_in = plain, out.avail_in = sizeof plain, out.next_out = compressed, out.avail_out = sizeof compressed;
  deflate(&out, Z_SYNC_FLUSH);
  in.next_in = compressed, in.avail_in = sizeof compressed - out.avail_out, in.next_out = back, in.avail_out = sizeof back;
  inflate(&in, Z_SYNC_FLUSH);
  deflateEnd(&out);
  inflateEnd(&in);
  return allocated;
}
