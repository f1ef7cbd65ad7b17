#ifndef IMAP_ENGINE_CUV_SHIM_H
#define IMAP_ENGINE_CUV_SHIM_H

#include <uv.h>

#endif
