/*
 * What intercept/blocking.rs needs of PHP's streams and arguments: which descriptors a call would wait for. It decides nothing.
 */
#include "shim.h"
#include "php_network.h"

/* As the function itself would read it, or false: then it is left to the function to complain. */
bool kq_argument_long(zend_execute_data *frame, uint32_t number, zend_long *value)
{
	zval *argument = kq_argument(frame, number);
	if (!argument) {
		return false;
	}
	if (Z_TYPE_P(argument) == IS_LONG) {
		*value = Z_LVAL_P(argument);
		return true;
	}
	bool strict = frame->prev_execute_data && frame->prev_execute_data->func && ZEND_CALL_USES_STRICT_TYPES(frame->prev_execute_data);
	if (Z_TYPE_P(argument) == IS_DOUBLE && !strict && zend_is_long_compatible(Z_DVAL_P(argument), zend_dval_to_lval(Z_DVAL_P(argument)))) {
		*value = zend_dval_to_lval(Z_DVAL_P(argument));
		return true;
	}
	return false;
}

static bool has_buffered(php_stream *stream) { return stream->writepos > stream->readpos; }

/* Of a stream that has nothing to read yet; -1 otherwise. Casting for select also fetches what TLS has decrypted. */
static int descriptor_to_wait_for(zval *value)
{
	if (Z_TYPE_P(value) != IS_RESOURCE) {
		return -1;
	}
	php_stream *stream = zend_fetch_resource2_ex(value, NULL, php_file_le_stream(), php_file_le_pstream());
	php_socket_t descriptor = -1;
	if (!stream) {
		zend_clear_exception();
		return -1;
	}
	if (has_buffered(stream) || stream->eof || (stream->wrapper && stream->wrapper->is_url && !stream->ops->cast)
		|| php_stream_cast(stream, PHP_STREAM_AS_FD_FOR_SELECT | PHP_STREAM_CAST_INTERNAL, (void *)&descriptor, 0) != SUCCESS
		|| has_buffered(stream)) {
		return -1;
	}
	return (int)descriptor;
}

/* Its own time limit, if it is a socket; below 0 s: none. */
static struct timeval *limit_of(zval *value)
{
	php_stream *stream = zend_fetch_resource2_ex(value, NULL, php_file_le_stream(), php_file_le_pstream());
	return stream && strstr(stream->ops->label, "socket") ? &((php_netstream_data_t *)stream->abstract)->timeout : NULL;
}

/* The same with the stream's own time limit; negative: none. */
int kq_stream_to_wait_for(zval *value, double *limit)
{
	int descriptor = descriptor_to_wait_for(value);
	struct timeval *own = descriptor >= 0 ? limit_of(value) : NULL;
	*limit = own && own->tv_sec >= 0 ? (double)own->tv_sec + (double)own->tv_usec / 1e6 : -1;
	return descriptor;
}

/* Exchanges a socket's time limit with this one. */
void kq_stream_exchange_limit(zval *value, struct timeval *limit)
{
	struct timeval *own = limit_of(value);
	if (own) {
		struct timeval old = *own;
		*own = *limit;
		*limit = old;
	}
}

/* The descriptors of stream_select()'s arguments. -1: the call would not wait, or there are more than fit. */
int kq_select_descriptors(zend_execute_data *frame, struct pollfd *descriptors, int room)
{
	static const short events[] = { POLLIN, POLLOUT, POLLPRI };
	int count = 0;
	for (uint32_t set = 0; set < 3; set++) {
		zval *streams = kq_argument(frame, set + 1), *value;
		if (!streams || Z_TYPE_P(streams) != IS_ARRAY) {
			continue;
		}
		ZEND_HASH_FOREACH_VAL(Z_ARRVAL_P(streams), value) {
			ZVAL_DEREF(value);
			int descriptor = count < room ? descriptor_to_wait_for(value) : -1;
			if (descriptor < 0) {
				return -1;
			}
			descriptors[count++] = (struct pollfd){ .fd = descriptor, .events = events[set] };
		} ZEND_HASH_FOREACH_END();
	}
	return count;
}

/* Where a closure was written; NULL for one of an internal function, and for what is no closure. */
const char *kq_closure_place(zval *value, uint32_t *line)
{
	if (Z_TYPE_P(value) != IS_OBJECT || Z_OBJCE_P(value) != zend_ce_closure) {
		return NULL;
	}
	const zend_function *function = zend_get_closure_method_def(Z_OBJ_P(value));
	if (function->type != ZEND_USER_FUNCTION) {
		return NULL;
	}
	*line = function->op_array.line_start;
	return ZSTR_VAL(function->op_array.filename);
}
