#ifndef IMAP_ENGINE_CSSL_SHIM_H
#define IMAP_ENGINE_CSSL_SHIM_H

#ifdef __APPLE__
#include <malloc/malloc.h>
#else
#include <malloc.h>
#endif
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Names for macros that Swift cannot call. */

static inline int cssl_set_min_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_min_proto_version(context, version);
}

static inline int cssl_set_max_version(SSL_CTX *context, int version) {
  return SSL_CTX_set_max_proto_version(context, version);
}

static inline int cssl_set_groups(SSL_CTX *context, const char *list) {
  return (int)SSL_CTX_set1_groups_list(context, list);
}

static inline long cssl_set_session_cache_mode(SSL_CTX *context, long mode) {
  return SSL_CTX_set_session_cache_mode(context, mode);
}

static inline int cssl_certificate_count(const STACK_OF(X509) *chain) { return sk_X509_num(chain); }

static inline X509 *cssl_certificate_at(const STACK_OF(X509) *chain, int index) {
  return sk_X509_value(chain, index);
}

static inline void cssl_free(void *memory) { OPENSSL_free(memory); }

static inline size_t cssl_usable_size(void *memory) {
#ifdef __APPLE__
  return malloc_size(memory);
#else
  return malloc_usable_size(memory);
#endif
}

static inline long cssl_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }

static inline int cssl_add1_chain_certificate(SSL_CTX *context, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int cssl_set_server_name(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

static inline long cssl_has_extended_master_secret(SSL *ssl) { return SSL_get_extms_support(ssl); }

static inline EVP_PKEY *cssl_generate_p256(void) { return EVP_EC_gen("P-256"); }

static inline unsigned long cssl_no_ticket(void) { return SSL_OP_NO_TICKET; }

static inline unsigned long cssl_no_renegotiation(void) { return SSL_OP_NO_RENEGOTIATION; }

#endif
