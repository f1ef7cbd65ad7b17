#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

static int bio_read(BIO *bio, char *bytes, int room) {
  struct tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (room <= 0) return 0;
  if (tls->input_count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t count = tls->input_count < (size_t)room ? tls->input_count : (size_t)room;
  memcpy(bytes, tls->input, count);
  tls->input += count;
  tls->input_count -= count;
  return (int)count;
}

static int bio_write(BIO *bio, const char *bytes, int count) {
  struct tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (count < 0 || (size_t)count > sizeof tls->output - tls->output_count) return -1;
  memcpy(tls->output + tls->output_count, bytes, (size_t)count);
  tls->output_count += (size_t)count;
  return count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static BIO *make_bio(struct tls *tls) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shared");
  if (!method) return NULL;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  BIO *bio = BIO_new(method);
  if (!bio) return NULL;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  return bio;
}

// Takes over the reference to a session, in place of the oldest one.
static int keep(SSL *ssl, SSL_SESSION *session) {
  struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  SSL_SESSION_free(tls->sessions[tls->newest]);
  tls->sessions[tls->newest] = session;
  tls->newest = (tls->newest + 1) % TLS_SESSIONS;
  return 1;
}

// The newest session, or NULL.
static SSL_SESSION *take(struct tls *tls) {
  size_t place = (tls->newest + TLS_SESSIONS - 1) % TLS_SESSIONS;
  SSL_SESSION *session = tls->sessions[place];
  if (!session) return NULL;
  tls->sessions[place] = NULL;
  tls->newest = place;
  return session;
}

bool tls_set_up(struct tls *tls, const char *certificate, bool resumes) {
  tls->context = SSL_CTX_new(TLS_client_method());
  tls->bio = make_bio(tls);
  if (!tls->context || !tls->bio) return false;
  SSL_CTX_set_app_data(tls->context, tls);
  SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
  // Without the first an idle connection keeps 33 KiB.
  SSL_CTX_set_mode(
      tls->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(
      tls->context, resumes ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
  if (resumes) SSL_CTX_sess_set_new_cb(tls->context, keep);
  return SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) == 1
         && SSL_CTX_load_verify_file(tls->context, certificate) == 1;
}

SSL *tls_session(struct tls *tls, const char *address) {
  SSL *ssl = SSL_new(tls->context);
  if (!ssl) return NULL;
  X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, address) != 1 || BIO_up_ref(tls->bio) != 1) {
    SSL_free(ssl);
    return NULL;
  }
  SSL_set_bio(ssl, tls->bio, tls->bio);
  SSL_set_connect_state(ssl);
  SSL_SESSION *session = take(tls);
  // OpenSSL takes a reference of its own, and asks for a new session where it cannot use this one.
  if (session) SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
  return ssl;
}

void tls_release(SSL *ssl) {
  if (ssl) SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl);
}

const char *tls_reason(SSL *ssl) {
  long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) return X509_verify_cert_error_string(verified);
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  return reason ? reason : "TLS has failed";
}
