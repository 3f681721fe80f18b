/* What a request has of its own: shutdown functions, last errors, streams, handlers, output. */
#include "shim.h"
#include "internal.h"

#define EXCHANGE(a, b) do { __typeof__(a) kept = (a); (a) = (b); (b) = kept; } while (0)

void kq_request_exchange(kq_request *request)
{
	/* What stat() has told last, of a path that may be another to the next lane's stream wrappers. */
	if (BG(CurrentStatFile) || BG(CurrentLStatFile)) {
		php_clear_stat_cache(0, NULL, 0);
	}
	EXCHANGE(BG(user_shutdown_function_names), request->shutdown_functions);
	EXCHANGE(BG(user_tick_functions), request->tick_functions);
	if (!request->ticks.size) {
		zend_llist_init(&request->ticks, PG(tick_functions).size, PG(tick_functions).dtor, true);
	}
	EXCHANGE(PG(tick_functions), request->ticks);
	EXCHANGE(BG(strtok_string), request->strtok_string);
	EXCHANGE(BG(strtok_last), request->strtok_last);
	EXCHANGE(BG(strtok_len), request->strtok_len);
	EXCHANGE(PG(last_error_type), request->last_error_type);
	EXCHANGE(PG(last_error_lineno), request->last_error_line);
	EXCHANGE(PG(last_error_message), request->last_error_message);
	EXCHANGE(PG(last_error_file), request->last_error_file);
	EXCHANGE(JSON_G(error_code), request->json_error);
	EXCHANGE(EG(exit_status), request->exit_status);
	EXCHANGE(FG(wrapper_errors), request->wrapper_errors);
	EXCHANGE(FG(pclose_wait), request->pclose_wait);
	EXCHANGE(FG(user_stream_current_filename), request->opening);
	EXCHANGE(PG(in_user_include), request->in_user_include);
	EXCHANGE(PG(in_error_log), request->in_error_log);
	EXCHANGE(FG(tmp_host_buf), request->host_buffer);
	EXCHANGE(FG(tmp_host_buf_len), request->host_buffer_size);
#if PHP_VERSION_ID >= 80400
	EXCHANGE(BG(last_http_headers), request->last_http_headers);
#endif
}

/* Output handlers that an ended lane left are not called. */
void kq_output_drop(zend_output_globals *output)
{
	zend_stack_destroy(&output->handlers);
	release(&output->output_start_filename);
}

/* The end of an ended lane's; functions that it did not call go uncalled. */
void kq_request_drop(kq_request *request)
{
	if (request->shutdown_functions) {
		zend_hash_destroy(request->shutdown_functions);
		FREE_HASHTABLE(request->shutdown_functions);
	}
	if (request->tick_functions) {
		zend_llist_destroy(request->tick_functions);
		efree(request->tick_functions);
	}
	zend_llist_destroy(&request->ticks);
	release(&request->strtok_string);
	release(&request->last_error_message);
	release(&request->last_error_file);
	if (request->wrapper_errors) {
		zend_hash_destroy(request->wrapper_errors);
		FREE_HASHTABLE(request->wrapper_errors);
	}
	free(request->host_buffer);
#if PHP_VERSION_ID >= 80400
	zval_ptr_dtor(&request->last_http_headers);
#endif
}

/* Between two jobs. */
void kq_request_clear(void)
{
	release(&BG(strtok_string));
	BG(strtok_last) = NULL;
	BG(strtok_len) = 0;
	PG(last_error_type) = 0;
	PG(last_error_lineno) = 0;
	release(&PG(last_error_message));
	release(&PG(last_error_file));
	JSON_G(error_code) = PHP_JSON_ERROR_NONE;
#if PHP_VERSION_ID >= 80400
	zval_ptr_dtor(&BG(last_http_headers));
	ZVAL_UNDEF(&BG(last_http_headers));
#endif
}

/* As at a program's end: one after another, also those that are registered meanwhile, until one throws (which is shown) or exits.
 * False: a fatal error. */
bool kq_run_shutdown_functions(void)
{
	volatile bool survived = true;
	HashTable *functions = BG(user_shutdown_function_names);
	if (!functions) {
		return true;
	}
	for (uint32_t i = 0; survived && i < functions->nNumUsed; i++) {
		zval *place = HT_IS_PACKED(functions) ? &functions->arPacked[i] : &functions->arData[i].val, result;
		if (Z_TYPE_P(place) == IS_UNDEF) {
			continue;
		}
		php_shutdown_function_entry *entry = Z_PTR_P(place);
		kq_ending ending = call_prepared(&entry->fci, &entry->fci_cache, &result, entry->fci.param_count, entry->fci.params);
		zval_ptr_dtor(&result);
		survived = ending != KQ_BAILED_OUT;
		if (ending == KQ_THREW) {
			/* A timeout is told by whoever has set it. */
			if (zend_string_equals_literal(EG(exception)->ce->name, "KQueue\\Exception\\JobTimedOut")) {
				zend_clear_exception();
			} else {
				kq_show_exception();
			}
			break;
		}
		if (ending == KQ_EXITED) {
			zend_clear_exception();
			break;
		}
	}
	php_free_shutdown_functions();
	return survived;
}

/* In a new process: they are its parent's, and so is what they hold. */
void kq_forget_shutdown_functions(void) { BG(user_shutdown_function_names) = NULL; }

void kq_drop_tick_functions(void)
{
	if (BG(user_tick_functions)) {
		zend_llist_destroy(BG(user_tick_functions));
		efree(BG(user_tick_functions));
		BG(user_tick_functions) = NULL;
	}
	zend_llist_clean(&PG(tick_functions));
}

void kq_each_shutdown_function(HashTable *functions, void (*each)(void *, zval *, uint32_t, zval *), void *argument)
{
	php_shutdown_function_entry *entry;
	ZEND_HASH_FOREACH_PTR(functions, entry) {
		each(argument, &entry->fci.function_name, entry->fci.param_count, entry->fci.params);
	} ZEND_HASH_FOREACH_END();
}

/* For a new lane: copies of what the base has changed. */
void kq_streams_copy(kq_streams *streams)
{
	if (FG(stream_wrappers)) {
		ALLOC_HASHTABLE(streams->wrappers);
		zend_hash_init(streams->wrappers, 0, NULL, NULL, 0);
		zend_hash_copy(streams->wrappers, FG(stream_wrappers), NULL);
	}
	if (FG(default_context)) {
		streams->context = php_stream_context_alloc();
		zval_ptr_dtor(&streams->context->options);
		ZVAL_ARR(&streams->context->options, zend_array_dup(Z_ARRVAL(FG(default_context)->options)));
	}
}

/* Stream wrappers that were registered in what is live, in their order; those that come with PHP have another list until then. */
uint32_t kq_wrappers(void) { return FG(stream_wrappers) ? FG(stream_wrappers)->nNumUsed : php_stream_get_url_stream_wrappers_hash_global()->nNumUsed; }

kq_wrapper_entry kq_wrapper(uint32_t index)
{
	const Bucket *bucket = &FG(stream_wrappers)->arData[index];
	return (kq_wrapper_entry) { bucket->key, Z_TYPE(bucket->val) == IS_PTR ? Z_PTR(bucket->val) : NULL };
}

/* For what is live if there are no streams. Does nothing where the protocol has a wrapper. */
void kq_streams_add(kq_streams *streams, const kq_wrapper_entry *entry)
{
	HashTable **wrappers = streams ? &streams->wrappers : &FG(stream_wrappers);
	if (!entry->wrapper) {
		return;
	}
	if (!*wrappers) {
		ALLOC_HASHTABLE(*wrappers);
		zend_hash_init(*wrappers, 0, NULL, NULL, 0);
		zend_hash_copy(*wrappers, php_stream_get_url_stream_wrappers_hash_global(), NULL);
	}
	zend_hash_add_ptr(*wrappers, entry->protocol, entry->wrapper);
}

void kq_streams_exchange(kq_streams *streams)
{
	EXCHANGE(FG(stream_wrappers), streams->wrappers);
	EXCHANGE(FG(default_context), streams->context);
}

/* Contexts are resources: streams that still use one keep it. */
void kq_streams_drop(kq_streams *streams)
{
	if (streams->wrappers) {
		zend_hash_destroy(streams->wrappers);
		FREE_HASHTABLE(streams->wrappers);
	}
	if (streams->context) {
		zend_list_delete(streams->context->res);
	}
}

/* Not by stream_wrapper_unregister(), which frees a wrapper that other lanes' tables have too. */
bool kq_forget_wrapper(zend_string *protocol)
{
	return php_unregister_url_stream_wrapper_volatile(protocol) == SUCCESS;
}

static void replace(zval *to, const zval *by)
{
	zval old;
	ZVAL_COPY_VALUE(&old, to);
	ZVAL_COPY(to, by);
	zval_ptr_dtor(&old);
}

/* The running code has these handlers from now on, and has set none aside. */
void kq_renew_handlers(const zval *error_handler, int error_handler_reporting, const zval *exception_handler)
{
	zend_stack_clean(&EG(user_error_handlers), (void (*)(void *))ZVAL_PTR_DTOR, true);
	zend_stack_clean(&EG(user_error_handlers_error_reporting), NULL, true);
	zend_stack_clean(&EG(user_exception_handlers), (void (*)(void *))ZVAL_PTR_DTOR, true);
	EG(user_error_handler_error_reporting) = error_handler_reporting;
	replace(&EG(user_error_handler), error_handler);
	replace(&EG(user_exception_handler), exception_handler);
	EG(error_reporting) = kq_base_error_reporting();
}

const char *kq_last_error(void) { return PG(last_error_message) ? ZSTR_VAL(PG(last_error_message)) : NULL; }
const char *kq_last_error_file(void) { return PG(last_error_message) && PG(last_error_file) ? ZSTR_VAL(PG(last_error_file)) : NULL; }
int kq_last_error_line(void) { return PG(last_error_lineno); }

void kq_set_last_error(zval *message)
{
	if (PG(last_error_message)) {
		zend_string_release(PG(last_error_message));
	}
	PG(last_error_message) = zend_string_copy(Z_STR_P(message));
	PG(last_error_type) = E_ERROR;
}

bool kq_flush_output(void)
{
	volatile bool flushed = false;
	zend_try {
		php_output_end_all();
		sapi_flush();
		flushed = true;
	} zend_end_try();
	return flushed;
}

bool kq_has_output_buffer(void) { return OG(active) != NULL; }
void kq_start_output(void) { php_output_start_default(); }

/* What has been written since kq_start_output(); buffers that were left open inside are written into it. False: a fatal error. */
bool kq_take_output(zval *text)
{
	volatile bool taken = false;
	ZVAL_UNDEF(text);
	zend_try {
		while (php_output_get_level() > 1) {
			php_output_end();
		}
		if (php_output_get_contents(text) == SUCCESS) {
			php_output_discard();
		}
		taken = true;
	} zend_end_try();
	return taken;
}

void kq_write_output(const char *text, size_t length) { php_output_write(text, length); }

/* In a new process: what its parent has buffered is the parent's to write. Dropped without a word to the buffers' callbacks. */
void kq_fresh_output(void)
{
	int implicit_flush = OG(flags) & PHP_OUTPUT_IMPLICITFLUSH;
	php_output_deactivate();
	php_output_activate();
	OG(flags) |= implicit_flush;
}

/* The process's own output and input, however it was opened: all lanes write to the same terminal. */
bool kq_is_standard_stream(zval *resource)
{
	php_stream *stream = zend_fetch_resource2_ex(resource, NULL, php_file_le_stream(), php_file_le_pstream());
	static const char *const names[] = { "php://stdin", "php://stdout", "php://stderr", "php://output" };
	for (size_t i = 0; stream && stream->orig_path && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcasecmp(stream->orig_path, names[i])) {
			return true;
		}
	}
	return false;
}
