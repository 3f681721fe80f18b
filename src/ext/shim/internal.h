/* What files of the shim use of each other, and Rust does not. */
#ifndef KQ_INTERNAL_H
#define KQ_INTERNAL_H

#include "shim.h"

/* The call's own result, count and arguments are set here. */
kq_ending call_prepared(zend_fcall_info *call, zend_fcall_info_cache *cache, zval *result, uint32_t count, zval *arguments);

static inline void release(zend_string **string)
{
	if (*string) {
		zend_string_release(*string);
		*string = NULL;
	}
}

#endif
