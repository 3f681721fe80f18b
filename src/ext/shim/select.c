/*
 * stream_select() and socket_select() for descriptors that an fd_set has no room for: PHP's own refuse them. What they wait for is listed
 * here as poll() takes it, and poll()'s answer is written back as they would. When to wait, and for how long, is decided in intercept/select.rs.
 */
#include "shim.h"
#include "php_network.h"

/* What select() calls readable, writable, exceptional, in terms of poll()'s answer: the kernel's own table. */
static const short asked[] = { POLLIN, POLLOUT, POLLPRI };
static const short counted[] = { POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI };

/* A Socket's structure begins with its descriptor, and ends with the object. */
static int of_socket(zval *value)
{
	if (Z_TYPE_P(value) != IS_OBJECT || !zend_string_equals_literal(Z_OBJCE_P(value)->name, "Socket")) {
		return -1;
	}
	return *(int *)((char *)Z_OBJ_P(value) - Z_OBJ_HT_P(value)->offset);
}

static php_stream *stream_of(zval *value)
{
	return Z_TYPE_P(value) == IS_RESOURCE ? zend_fetch_resource2_ex(value, NULL, php_file_le_stream(), php_file_le_pstream()) : NULL;
}

static int of_stream(zval *value)
{
	php_stream *stream = stream_of(value);
	php_socket_t descriptor = -1;
	if (!stream) {
		zend_clear_exception();
		return -1;
	}
	return php_stream_cast(stream, PHP_STREAM_AS_FD_FOR_SELECT | PHP_STREAM_CAST_INTERNAL, (void *)&descriptor, 0) == SUCCESS ? (int)descriptor : -1;
}

/* NULL: not given, or null. `fits` becomes false if it is anything else than an array. */
static zval *set_of(zend_execute_data *frame, uint32_t set, bool *fits)
{
	zval *argument = kq_argument(frame, set + 1);
	if (!argument || Z_TYPE_P(argument) == IS_NULL) {
		return NULL;
	}
	*fits = *fits && Z_TYPE_P(argument) == IS_ARRAY;
	return argument;
}

/* The descriptors of all three sets, to be given back to kq_select_done(). NULL: the function itself can do it, or is to complain. */
struct pollfd *kq_select_high(zend_execute_data *frame, bool sockets, uint32_t *count)
{
	zval *sets[3], *value;
	bool fits = true, high = false;
	uint32_t room = 0;
	*count = 0;
	for (uint32_t set = 0; set < 3; set++) {
		sets[set] = set_of(frame, set, &fits);
		room += sets[set] && fits ? zend_hash_num_elements(Z_ARRVAL_P(sets[set])) : 0;
	}
	if (!fits || !room) {
		return NULL;
	}
	struct pollfd *list = safe_emalloc(room, sizeof(*list), 0);
	for (uint32_t set = 0; set < 3; set++) {
		if (!sets[set]) {
			continue;
		}
		ZEND_HASH_FOREACH_VAL(Z_ARRVAL_P(sets[set]), value) {
			ZVAL_DEREF(value);
			int descriptor = sockets ? of_socket(value) : of_stream(value);
			if (descriptor < 0) {
				efree(list);
				return NULL;
			}
			high = high || descriptor >= FD_SETSIZE;
			list[(*count)++] = (struct pollfd){ .fd = descriptor, .events = asked[set] };
		} ZEND_HASH_FOREACH_END();
	}
	if (!high) {
		efree(list);
		return NULL;
	}
	return list;
}

/* Leaves what `ready` says of each element, in the order of the sets; the others go. */
static zend_long keep(zval *set, bool (*ready)(void *, zval *), void *argument)
{
	zend_string *key;
	zend_ulong number;
	zval *value;
	HashTable *kept = zend_new_array(0);
	ZEND_HASH_FOREACH_KEY_VAL(Z_ARRVAL_P(set), number, key, value) {
		ZVAL_DEREF(value);
		if (ready(argument, value)) {
			Z_TRY_ADDREF_P(value);
			key ? zend_hash_update(kept, key, value) : zend_hash_index_update(kept, number, value);
		}
	} ZEND_HASH_FOREACH_END();
	zval_ptr_dtor(set);
	ZVAL_ARR(set, kept);
	return zend_hash_num_elements(kept);
}

typedef struct { struct pollfd *next; short counted; } answers;

static bool is_ready(void *argument, ZEND_ATTRIBUTE_UNUSED zval *value)
{
	answers *all = argument;
	return (all->next++)->revents & all->counted;
}

static bool has_buffered(ZEND_ATTRIBUTE_UNUSED void *argument, zval *value)
{
	php_stream *stream = stream_of(value);
	return stream && stream->writepos > stream->readpos;
}

static bool nothing(ZEND_ATTRIBUTE_UNUSED void *argument, ZEND_ATTRIBUTE_UNUSED zval *value) { return false; }

/* Streams that have something in their buffers are readable at once; the others are not looked at then, as in PHP. */
bool kq_select_buffered(zend_execute_data *frame, struct pollfd *list, zval *result)
{
	bool fits = true, any = false;
	zval *read = set_of(frame, 0, &fits), *value, *other;
	if (!read) {
		return false;
	}
	ZEND_HASH_FOREACH_VAL(Z_ARRVAL_P(read), value) {
		ZVAL_DEREF(value);
		any = any || has_buffered(NULL, value);
	} ZEND_HASH_FOREACH_END();
	if (!any) {
		return false;
	}
	ZVAL_LONG(result, keep(read, has_buffered, NULL));
	for (uint32_t set = 1; set < 3; set++) {
		if ((other = set_of(frame, set, &fits))) {
			keep(other, nothing, NULL);
		}
	}
	efree(list);
	return true;
}

/* poll()'s answer, as the function gives it; `error` is its error number, or 0. */
void kq_select_done(zend_execute_data *frame, struct pollfd *list, uint32_t count, int error, zval *result)
{
	bool fits = true;
	int highest = 0;
	zend_long total = 0;
	for (uint32_t i = 0; i < count; i++) {
		highest = MAX(highest, list[i].fd);
		error = error || !(list[i].revents & POLLNVAL) ? error : EBADF;
	}
	if (error) {
		efree(list);
		ZVAL_FALSE(result);
		php_error_docref(NULL, E_WARNING, "Unable to select [%d]: %s (max_fd=%d)", error, strerror(error), highest);
		return;
	}
	answers all = { list, 0 };
	for (uint32_t set = 0; set < 3; set++) {
		zval *streams = set_of(frame, set, &fits);
		all.counted = counted[set];
		total += streams ? keep(streams, is_ready, &all) : 0;
	}
	efree(list);
	ZVAL_LONG(result, total);
}
