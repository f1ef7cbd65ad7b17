#ifndef IMAP_ENGINE_CUV_SHIM_H
#define IMAP_ENGINE_CUV_SHIM_H

#include <uv.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <sys/socket.h>

#ifdef __linux__
#include <sys/prctl.h>

/* Declared with GNU extensions only, which Swift has not. */
int accept4(int, struct sockaddr *, socklen_t *, int);

/* A program that is started meanwhile must not inherit the connection. */
static inline int cuv_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }
static inline int cuv_socket(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

/* A variadic function, and a GNU extension of pthread.h: Swift sees neither. */
static inline void cuv_name_thread(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }
#else
#include <fcntl.h>

static inline int cuv_close_on_exec(int descriptor) {
  if (descriptor >= 0) (void)fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return descriptor;
}

static inline int cuv_accept(int listener) { return cuv_close_on_exec(accept(listener, NULL, NULL)); }
static inline int cuv_socket(int family) { return cuv_close_on_exec(socket(family, SOCK_STREAM, 0)); }

static inline void cuv_name_thread(const char *name) { (void)name; }
#endif

/* A GNU extension of malloc.h. */
static inline void cuv_trim_memory(void) {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

#endif
