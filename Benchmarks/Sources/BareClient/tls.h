#ifndef BARE_CLIENT_TLS_H
#define BARE_CLIENT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

enum {
  /// Sessions that wait to be resumed. Each that is used brings two new ones, and where all of those that are being opened
  /// keep in step, so many as they are used before the first new ones come.
  TLS_SESSIONS = 128,
  /// What one operation may leave for the peer: no flight of a client is as large.
  TLS_OUTPUT_SIZE = 32 * 1024,
};

/// All sessions of OpenSSL share one BIO, which reads from what the socket was read into, and writes into one buffer: only one
/// session works at a time, and leaves neither input nor output behind.
struct tls {
  SSL_CTX *context;
  BIO *bio;
  const char *input;
  size_t input_count;
  size_t output_count;
  char output[TLS_OUTPUT_SIZE];
  /// A ring; RFC 8446, appendix C.4: each is used once. `newest` is the place behind the newest one.
  SSL_SESSION *sessions[TLS_SESSIONS];
  size_t newest;
};

/// Trusts the certificates in a file. Returns whether that can be done; OpenSSL knows why not.
bool tls_set_up(struct tls *tls, const char *certificate, bool resumes);

/// A session with the server at an address, whose certificate has to name it. NULL where there is no memory.
SSL *tls_session(struct tls *tls, const char *address);

/// Releases a session. A server would refuse to resume one that ends without this.
void tls_release(SSL *ssl);

/// Why the last operation has failed.
const char *tls_reason(SSL *ssl);

#endif
