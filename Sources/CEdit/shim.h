#ifndef IMAP_ENGINE_CEDIT_SHIM_H
#define IMAP_ENGINE_CEDIT_SHIM_H

#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* el_set, el_get and history are variadic: Swift sees none of them. */

typedef char *(*cedit_prompt)(EditLine *);
typedef int (*cedit_read)(EditLine *, wchar_t *);
typedef unsigned char (*cedit_function)(EditLine *, int);

/* The standard streams are variables that Swift does not let be used. */
static inline EditLine *cedit_init(const char *name) { return el_init(name, stdin, stdout, stderr); }

static inline int cedit_set_prompt(EditLine *e, cedit_prompt f) { return el_set(e, EL_PROMPT, f); }
static inline int cedit_set_read(EditLine *e, cedit_read f) { return el_set(e, EL_GETCFN, f); }
static inline int cedit_set_editor(EditLine *e, const char *name) { return el_set(e, EL_EDITOR, name); }
static inline int cedit_set_history(EditLine *e, History *h) { return el_set(e, EL_HIST, history, h); }
static inline int cedit_set_context(EditLine *e, void *p) { return el_set(e, EL_CLIENTDATA, p); }
static inline int cedit_add(EditLine *e, const char *name, const char *help, cedit_function f) {
  return el_set(e, EL_ADDFN, name, help, f);
}
static inline int cedit_bind(EditLine *e, const char *key, const char *name) {
  return el_set(e, EL_BIND, key, name, (char *)0);
}
static inline int cedit_refresh(EditLine *e) { return el_set(e, EL_REFRESH); }
static inline int cedit_prepare(EditLine *e, int on) { return el_set(e, EL_PREP_TERM, on); }

static inline void *cedit_context(EditLine *e) {
  void *p = 0;
  return el_get(e, EL_CLIENTDATA, &p) == 0 ? p : 0;
}

static inline int cedit_history_size(History *h, int count) {
  HistEvent event;
  return history(h, &event, H_SETSIZE, count);
}
static inline int cedit_history_unique(History *h, int on) {
  HistEvent event;
  return history(h, &event, H_SETUNIQUE, on);
}
static inline int cedit_history_enter(History *h, const char *line) {
  HistEvent event;
  return history(h, &event, H_ENTER, line);
}

/* The tool's pipes are for itself, and for none of the programs that another thread may be starting. */
#ifdef __linux__
/* Declared with GNU extensions only, which Swift has not. */
int pipe2(int *, int);
static inline int cedit_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }
#else
static inline int cedit_pipe(int *ends) {
  if (pipe(ends) != 0) return -1;
  (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
}
#endif

/* MB_CUR_MAX is a macro over a function call. */
static inline size_t cedit_bytes_per_character(void) { return MB_CUR_MAX; }

#endif
