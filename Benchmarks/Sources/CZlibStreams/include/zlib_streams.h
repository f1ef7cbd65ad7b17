#ifndef ZLIB_STREAMS_H
#define ZLIB_STREAMS_H

#include <stdint.h>

/// What zlib's two streams keep allocated for a connection, set up as its manual and RFC 4978 have it, when some bytes have
/// gone through each; 0 where that cannot be known.
uint64_t zlib_streams_bytes(void);

#endif
