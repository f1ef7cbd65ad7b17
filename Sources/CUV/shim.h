#ifndef IMAP_ENGINE_CUV_SHIM_H
#define IMAP_ENGINE_CUV_SHIM_H

#include <uv.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __linux__
#include <sys/prctl.h>

/* A variadic function, and a GNU extension of pthread.h: Swift sees neither. */
static inline void cuv_name_thread(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }
#else
static inline void cuv_name_thread(const char *name) { (void)name; }
#endif

/* A GNU extension of malloc.h. */
static inline void cuv_trim_memory(void) {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

#endif
