/*
 * What only C can say: Zend's macros, setjmp, fiber contexts. It decides nothing; callers are in zend.rs and lane.rs.
 * Every function runs on the PHP thread.
 */
#include "shim.h"
#include <locale.h>

/* ---- contexts -------------------------------------------------------------------------------------------------- */

static char context_kind;                          /* its address names our contexts to observers */
static zend_fiber_context *scheduler_fiber = NULL; /* the context that resumes lanes */
static int base_error_reporting = E_ALL;           /* what was in force as the run began */
static zend_function lane_root = { .type = ZEND_INTERNAL_FUNCTION }; /* ends backtraces at the lane's first frame */

/* 8.2 returns bool (true = ok), later versions zend_result (0 = ok): chosen by type, not by version number. */
#define INIT_OK(call) (__builtin_types_compatible_p(__typeof__(call), bool) ? (int)(call) != 0 : (int)(call) == 0)

/* The engine frees the C stack after this; the VM stack is ours. */
static void free_vm_stack(zend_fiber_context *fiber)
{
	kq_context *context = (kq_context *)((char *)fiber - XtOffsetOf(kq_context, fiber));
	zend_vm_stack current = EG(vm_stack);
	EG(vm_stack) = context->vm_stack;
	zend_vm_stack_destroy();
	EG(vm_stack) = current;
}

/* First and last function on a lane's C stack. */
static void context_main(zend_fiber_transfer *transfer)
{
	kq_context *context = (kq_context *)((char *)EG(current_fiber_context) - XtOffsetOf(kq_context, fiber));
	EG(vm_stack) = NULL;

	zend_first_try {
		zend_vm_stack stack = zend_vm_stack_new_page(ZEND_FIBER_VM_STACK_SIZE, NULL);
		EG(vm_stack) = stack;
		EG(vm_stack_top) = stack->top + ZEND_CALL_FRAME_SLOT;
		EG(vm_stack_end) = stack->end;
		EG(vm_stack_page_size) = ZEND_FIBER_VM_STACK_SIZE;

		zend_execute_data *frame = (zend_execute_data *)stack->top;
		memset(frame, 0, sizeof(*frame));
		frame->func = &lane_root;
		EG(current_execute_data) = frame;
		EG(jit_trace_num) = 0;
		EG(active_fiber) = NULL;
		/* Not from the ini setting, as Fibers do: error_reporting() in another lane's job changes that too. */
		EG(error_reporting) = base_error_reporting;
#ifdef ZEND_CHECK_STACK_LIMIT
		EG(stack_base) = zend_fiber_stack_base(context->fiber.stack);
		EG(stack_limit) = zend_fiber_stack_limit(context->fiber.stack);
#endif
		context->main(context->argument);
	} zend_catch {
		/* Calls into PHP end their own fatal errors; this one came from a destructor, as a value was dropped. */
		context->bailed_out = true;
	} zend_end_try();

	context->vm_stack = EG(vm_stack);
	context->fiber.cleanup = free_vm_stack;
	context->ended = true;
	transfer->context = scheduler_fiber;
	transfer->flags = 0;
	ZVAL_NULL(&transfer->value);
}

bool kq_context_init(kq_context *context, void (*main)(void *), void *argument)
{
	memset(context, 0, sizeof(*context));
	context->main = main;
	context->argument = argument;
	return INIT_OK(zend_fiber_init_context(&context->fiber, &context_kind, context_main, EG(fiber_stack_size)));
}

void kq_scheduler_here(void)
{
	scheduler_fiber = EG(current_fiber_context);
	base_error_reporting = EG(error_reporting);
}

int kq_base_error_reporting(void) { return base_error_reporting; }

bool kq_in_scheduler(void)
{
	return EG(current_fiber_context) == scheduler_fiber;
}

void kq_context_enter(kq_context *context)
{
	/* Which errors throw is state of the running code, but the engine's switch does not keep it apart. */
	zend_error_handling_t handling = EG(error_handling);
	zend_class_entry *exception_class = EG(exception_class);
	EG(error_handling) = context->started ? context->error_handling : EH_NORMAL;
	EG(exception_class) = context->started ? context->exception_class : NULL;

	zend_fiber_transfer transfer = { .context = context->started ? context->inner : &context->fiber, .flags = 0 };
	ZVAL_NULL(&transfer.value);
	context->started = true;
	zend_fiber_switch_context(&transfer);

	EG(error_handling) = handling;
	EG(exception_class) = exception_class;
}

void kq_context_leave(kq_context *context)
{
	context->inner = EG(current_fiber_context);
	context->error_handling = EG(error_handling);
	context->exception_class = EG(exception_class);
	zend_fiber_transfer transfer = { .context = scheduler_fiber, .flags = 0 };
	ZVAL_NULL(&transfer.value);
	zend_fiber_switch_context(&transfer);
}

/* Only for a context that was never entered: an ended one is freed by the engine's switch, a suspended one stays. */
void kq_context_destroy(kq_context *context)
{
	if (!context->started) {
		zend_fiber_destroy_context(&context->fiber);
	}
}

/* ---- what the collector is told --------------------------------------------------------------------------------- */

static void (*each_held)(zend_object *, void *);

static HashTable *held_values(zend_object *object, zval **table, int *count)
{
	zend_get_gc_buffer *buffer = zend_get_gc_buffer_create();
	each_held(object, buffer);
	zend_get_gc_buffer_use(buffer, table, count);
	return object->properties;
}

void kq_tell_collector(const zend_object_handlers *handlers, void (*held)(zend_object *, void *))
{
	each_held = held;
	((zend_object_handlers *)handlers)->get_gc = held_values;
}

void kq_held(void *buffer, zval *value) { zend_get_gc_buffer_add_zval(buffer, value); }

/* ---- calls into PHP -------------------------------------------------------------------------------------------- */

static kq_ending ending_of_exception(void)
{
	if (!EG(exception)) {
		return KQ_RETURNED;
	}
	if (zend_is_unwind_exit(EG(exception)) || zend_is_graceful_exit(EG(exception))) {
		return KQ_EXITED;
	}
	return KQ_THREW;
}

/* A fatal error may also arrive as an exit: the engine unwinds first where it can. The error it left tells them apart. */
static kq_ending ending_after(zend_string *earlier_error)
{
	kq_ending ending = ending_of_exception();
	if (ending == KQ_EXITED && PG(last_error_message) && PG(last_error_message) != earlier_error
		&& (PG(last_error_type) & (E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_PARSE | E_RECOVERABLE_ERROR))) {
		zend_clear_exception();
		return KQ_BAILED_OUT;
	}
	return ending;
}

static kq_ending call_prepared(zend_fcall_info *call, zend_fcall_info_cache *cache, zval *result, uint32_t count, zval *arguments)
{
	volatile kq_ending ending = KQ_BAILED_OUT;
	zend_string *earlier_error = PG(last_error_message);
	ZVAL_UNDEF(result);
	call->retval = result;
	call->param_count = count;
	call->params = arguments;
	zend_try {
		zend_call_function(call, cache);
		ending = ending_after(earlier_error);
	} zend_end_try();
	return ending;
}

kq_ending kq_call(zval *callable, zval *result, uint32_t count, zval *arguments)
{
	zend_fcall_info call;
	zend_fcall_info_cache cache;
	char *error = NULL;
	if (zend_fcall_info_init(callable, 0, &call, &cache, NULL, &error) != SUCCESS) {
		ZVAL_UNDEF(result);
		zend_throw_error(NULL, "not callable: %s", error ? error : "no such function");
		if (error) {
			efree(error);
		}
		return KQ_THREW;
	}
	return call_prepared(&call, &cache, result, count, arguments);
}

/* Calls `scope`'s own method of that name on the object, even where the object's class overrides it. */
kq_ending kq_call_method(zend_object *object, zend_class_entry *scope, const char *name, size_t length, zval *result, uint32_t count, zval *arguments)
{
	zend_fcall_info call = { .size = sizeof(call), .object = object };
	zend_fcall_info_cache cache = { 0 };
	ZVAL_UNDEF(&call.function_name);
	cache.function_handler = zend_hash_str_find_ptr(&scope->function_table, name, length);
	if (!cache.function_handler) {
		ZVAL_UNDEF(result);
		zend_throw_error(NULL, "%s has no method %s()", ZSTR_VAL(scope->name), name);
		return KQ_THREW;
	}
	cache.calling_scope = scope;
	cache.called_scope = object ? object->ce : scope;
	cache.object = object;
	return call_prepared(&call, &cache, result, count, arguments);
}

/* A closure of any callable, as the running code may call it: private methods, "self::name". What is none throws. */
kq_ending kq_closure_of(zval *callable, zval *closure)
{
	return kq_call_method(NULL, zend_ce_closure, "fromcallable", sizeof("fromcallable") - 1, closure, 1, callable);
}

void kq_bailout(void)
{
	zend_bailout();
}

void kq_throw(zend_class_entry *class_entry, const char *message)
{
	zend_throw_exception(class_entry, message, 0);
}

/* What exit() throws: neither catch nor finally sees it. */
void kq_throw_exit(void)
{
	if (!EG(exception)) {
		zend_throw_unwind_exit();
	}
}

/* As at the end of a program: what nobody caught is shown. */
void kq_show_exception(void)
{
	if (EG(exception)) {
		zend_exception_error(EG(exception), E_ERROR);
	}
}

bool kq_has_exception(void)
{
	return EG(exception) != NULL;
}

/* Takes the pending exception (owned by the caller now); NULL if none. An exit is cleared and gives NULL. */
zend_object *kq_take_exception(void)
{
	zend_object *exception = EG(exception);
	if (!exception) {
		return NULL;
	}
	if (ending_of_exception() == KQ_EXITED) {
		zend_clear_exception();
		return NULL;
	}
	GC_ADDREF(exception);
	zend_clear_exception();
	return exception;
}

/* Throws an object that the caller owns. */
void kq_put_exception(zend_object *exception)
{
	zval value;
	ZVAL_OBJ(&value, exception);
	zend_throw_exception_object(&value);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

void kq_zval_copy(zval *to, const zval *from) { ZVAL_COPY(to, from); }
void kq_zval_drop(zval *value) { zval_ptr_dtor(value); }
void kq_zval_null(zval *value) { ZVAL_NULL(value); }
void kq_object_release(zend_object *object) { OBJ_RELEASE(object); }
void kq_addref(void *counted) { GC_ADDREF((zend_refcounted *)counted); }
uint32_t kq_refcount(void *counted) { return GC_REFCOUNT((zend_refcounted *)counted); }
uint32_t kq_gc_flags(void *counted) { return GC_FLAGS((zend_refcounted *)counted); }

zend_reference *kq_new_reference(zval *holder)
{
	ZVAL_NEW_EMPTY_REF(holder);
	ZVAL_NULL(&Z_REF_P(holder)->val);
	return Z_REF_P(holder);
}

/* A reference in a typed property knows that type: assignments through it are checked, and the property's end looks for it. */
void kq_reference_copy_sources(zend_reference *to, zend_property_info *info)
{
	ZEND_REF_ADD_TYPE_SOURCE(to, info);
}

void kq_reference_drop_source(zend_reference *from, zend_property_info *info)
{
	ZEND_REF_DEL_TYPE_SOURCE(from, info);
}

/* The declared property behind a slot, if it is typed. */
zend_property_info *kq_property_of_slot(zend_object *object, uint32_t slot)
{
	if (!ZEND_CLASS_HAS_TYPE_HINTS(object->ce) || !object->ce->properties_info_table) {
		return NULL;
	}
	zend_property_info *info = object->ce->properties_info_table[slot];
	return info && ZEND_TYPE_IS_SET(info->type) ? info : NULL;
}

bool kq_is_lazy(zend_object *object)
{
#if PHP_VERSION_ID >= 80400
	return zend_object_is_lazy(object);
#else
	return false;
#endif
}

#if PHP_VERSION_ID < 80400
# define rebuild_object_properties_internal rebuild_object_properties
#endif

/* Makes the object's table of dynamic properties, with the declared ones as INDIRECT entries. */
void kq_separate_properties(zend_object *object)
{
	if (!object->properties) {
		rebuild_object_properties_internal(object);
	}
}

HashTable *kq_closure_variables(zend_function *function)
{
	return function->type == ZEND_USER_FUNCTION ? ZEND_MAP_PTR_GET(function->op_array.static_variables_ptr) : NULL;
}

void kq_closure_parts(zend_object *closure, zend_class_entry **called_scope, zend_function **function)
{
	zend_object *bound;
	closure->handlers->get_closure(closure, called_scope, function, &bound, true);
}

zval *kq_static_members(zend_class_entry *class_entry)
{
	if (!CE_STATIC_MEMBERS(class_entry)) {
		zend_class_init_statics(class_entry);
	}
	return CE_STATIC_MEMBERS(class_entry);
}

HashTable *kq_new_array(uint32_t size) { return zend_new_array(size); }
bool kq_is_packed_without_holes(HashTable *array) { return HT_IS_PACKED(array) && HT_IS_WITHOUT_HOLES(array); }
zend_long kq_next_free(HashTable *array) { return array->nNextFreeElement; }
void kq_set_next_free(HashTable *array, zend_long next) { array->nNextFreeElement = next; }

/* The class's own copy; NULL (no exception left) where it has none. */
zend_object *kq_clone_internal(zend_object *object)
{
	if (!object->handlers->clone_obj) {
		return NULL;
	}
	zend_object *copy = object->handlers->clone_obj(object);
	if (EG(exception)) {
		zend_clear_exception();
		return NULL;
	}
	return copy;
}

bool kq_is_instance(zend_class_entry *class_entry, zend_class_entry *of) { return instanceof_function(class_entry, of); }

bool kq_weakmap_each(zend_object *map, void (*each)(void *, zval *key, zval *value), void *argument)
{
	zval holder;
	ZVAL_OBJ(&holder, map);
	zend_object_iterator *iterator = map->ce->get_iterator(map->ce, &holder, 0);
	if (!iterator) {
		return false;
	}
	iterator->funcs->rewind(iterator);
	while (iterator->funcs->valid(iterator) == SUCCESS) {
		zval key;
		ZVAL_UNDEF(&key);
		iterator->funcs->get_current_key(iterator, &key);
		each(argument, &key, iterator->funcs->get_current_data(iterator));
		zval_ptr_dtor(&key);
		iterator->funcs->move_forward(iterator);
	}
	zend_iterator_dtor(iterator);
	return true;
}

void kq_weakmap_set(zend_object *map, zval *key, zval *value)
{
	map->handlers->write_dimension(map, key, value);
}

/* ---- static variables of functions ------------------------------------------------------------------------------ */

HashTable *kq_array_dup(HashTable *array) { return zend_array_dup(array); }

bool kq_has_hooked_properties(const zend_class_entry *class_entry)
{
#if PHP_VERSION_ID >= 80400
	return class_entry->num_hooked_props > 0;
#else
	return false;
#endif
}

/* A class's methods and property hooks that have static variables, inherited ones included. */
void kq_methods_with_statics(zend_class_entry *class_entry, void (*each)(void *, zend_op_array *), void *argument)
{
	zend_function *function;
	ZEND_HASH_MAP_FOREACH_PTR(&class_entry->function_table, function) {
		if (function->type == ZEND_USER_FUNCTION && function->op_array.static_variables) {
			each(argument, &function->op_array);
		}
	} ZEND_HASH_FOREACH_END();
#if PHP_VERSION_ID >= 80400
	zend_property_info *property;
	if (class_entry->num_hooked_props == 0) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_PTR(&class_entry->properties_info, property) {
		for (uint32_t i = 0; property->hooks && i < ZEND_PROPERTY_HOOK_COUNT; i++) {
			function = property->hooks[i];
			if (function && function->type == ZEND_USER_FUNCTION && function->op_array.static_variables) {
				each(argument, &function->op_array);
			}
		}
	} ZEND_HASH_FOREACH_END();
#endif
}

/* Each value as declared (NULL: no value), the old one dropped: its destructor already finds the new one. */
void kq_declare_variables(HashTable *table, HashTable *declared)
{
	for (uint32_t i = 0; i < table->nNumUsed; i++) {
		zval old;
		ZVAL_COPY_VALUE(&old, &table->arData[i].val);
		if (declared) {
			ZVAL_COPY(&table->arData[i].val, &declared->arData[i].val);
		} else {
			ZVAL_NULL(&table->arData[i].val);
		}
		zval_ptr_dtor(&old);
	}
}

/* The function behind a first-class callable; NULL if it cannot be told. */
static zend_function *function_of_callable(const zend_function *callable)
{
	HashTable *functions = callable->common.scope ? &callable->common.scope->function_table : EG(function_table);
	zend_string *name = zend_string_tolower(callable->common.function_name);
	zend_function *function = zend_hash_find_ptr(functions, name);
	zend_string_release(name);
	return function && function->type == ZEND_USER_FUNCTION && function->op_array.opcodes == callable->op_array.opcodes ? function : NULL;
}

void kq_own_callable(zval *callable, zval *own)
{
	ZVAL_COPY(own, callable);
	if (Z_TYPE_P(callable) != IS_OBJECT || Z_OBJCE_P(callable) != zend_ce_closure) {
		return;
	}
	const zend_function *used = zend_get_closure_method_def(Z_OBJ_P(callable));
	if (!(used->common.fn_flags & ZEND_ACC_FAKE_CLOSURE) || used->type != ZEND_USER_FUNCTION || !used->op_array.static_variables) {
		return;
	}
	zend_function *function = function_of_callable(used), *ignored;
	zend_class_entry *called_scope;
	kq_closure_parts(Z_OBJ_P(callable), &called_scope, &ignored);
	if (function) {
		zval_ptr_dtor(own);
		zend_create_fake_closure(own, function, function->common.scope, called_scope, zend_get_closure_this_ptr(callable));
	}
}

/* ---- global variables ------------------------------------------------------------------------------------------- */

void kq_symbols_init(HashTable *table, uint32_t size)
{
	zend_hash_init(table, size, NULL, ZVAL_PTR_DTOR, 0);
	zend_hash_real_init_mixed(table);
}

void kq_symbols_destroy(HashTable *table) { zend_hash_graceful_reverse_destroy(table); }

/* The live variables go, the last one first; there are none then. */
void kq_symbols_clear(void)
{
	zend_hash_graceful_reverse_destroy(&EG(symbol_table));
	kq_symbols_init(&EG(symbol_table), 0);
}

static void copy_global(HashTable *to, zend_string *name)
{
	zval *value = zend_hash_find_ind(&EG(symbol_table), name), copy;
	if (value && Z_TYPE_P(value) != IS_UNDEF) {
		ZVAL_COPY_DEREF(&copy, value);
		zend_hash_update(to, name, &copy);
	}
}

/* Superglobals, made now where the engine leaves that to the first use: which would be in one lane only. The command line is a
 * global too, and so is Composer's list of files that this process has loaded. */
void kq_copy_superglobals(HashTable *to)
{
	static const char *const others[] = { "argv", "argc", "__composer_autoload_files" };
	zend_string *name;
	ZEND_HASH_MAP_FOREACH_STR_KEY(CG(auto_globals), name) {
		zend_is_auto_global(name);
		copy_global(to, name);
	} ZEND_HASH_FOREACH_END();
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		name = zend_string_init(others[i], strlen(others[i]), 0);
		copy_global(to, name);
		zend_string_release(name);
	}
}

/* ---- what else a request has ------------------------------------------------------------------------------------ */

#define EXCHANGE(a, b) do { __typeof__(a) kept = (a); (a) = (b); (b) = kept; } while (0)

void kq_request_exchange(kq_request *request)
{
	EXCHANGE(BG(user_shutdown_function_names), request->shutdown_functions);
	EXCHANGE(BG(user_tick_functions), request->tick_functions);
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
	EXCHANGE(FG(tmp_host_buf), request->host_buffer);
	EXCHANGE(FG(tmp_host_buf_len), request->host_buffer_size);
#if PHP_VERSION_ID >= 80400
	EXCHANGE(BG(last_http_headers), request->last_http_headers);
#endif
}

static void release(zend_string **string)
{
	if (*string) {
		zend_string_release(*string);
		*string = NULL;
	}
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
			kq_show_exception();
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

/* ---- settings --------------------------------------------------------------------------------------------------- */

zend_ini_entry *kq_ini_entry(zend_string *name) { return zend_hash_find_ptr(EG(ini_directives), name); }

/* A counted copy of a value that was set while the program runs; NULL if it was not. */
zend_string *kq_ini_value(zend_ini_entry *entry)
{
	return entry->modified && entry->value ? zend_string_copy(entry->value) : NULL;
}

static ZEND_INI_MH(any_value) { return SUCCESS; }

/* What a value changes beyond itself is left out from now on; gives what did that, to be put back. */
void *kq_ini_quieten(zend_ini_entry *entry)
{
	void *on_modify = (void *)entry->on_modify;
	entry->on_modify = any_value;
	return on_modify;
}

void kq_ini_unquieten(zend_ini_entry *entry, void *on_modify)
{
	entry->on_modify = (__typeof__(entry->on_modify))on_modify;
}

/* As the engine sets values back at a request's end: settings that refuse changes or warn while a program runs do not do so here.
 * Quietly: the value is only what ini_get() shows. */
void kq_ini_set(zend_ini_entry *entry, zend_string *value, bool quietly)
{
	void *on_modify = quietly ? kq_ini_quieten(entry) : (void *)entry->on_modify;
	if (value) {
		zend_alter_ini_entry_ex(entry->name, value, ZEND_INI_USER, ZEND_INI_STAGE_DEACTIVATE, true);
	} else {
		zend_restore_ini_entry(entry->name, ZEND_INI_STAGE_DEACTIVATE);
	}
	kq_ini_unquieten(entry, on_modify);
}

/* Whether a limit is not below the one in force. */
bool kq_memory_limit_allows(zend_string *value)
{
	zend_string *error = NULL;
	zend_long limit = zend_ini_parse_quantity(value, &error);
	if (error) {
		zend_string_release(error);
	}
	return limit <= 0 || (PG(memory_limit) > 0 && limit >= PG(memory_limit));
}

void kq_locale_set(const char *locale)
{
	setlocale(LC_ALL, locale);
	const char *ctype = setlocale(LC_CTYPE, NULL);
	release(&BG(ctype_string));
	if (ctype && strcmp(ctype, "C") != 0) {
		BG(ctype_string) = zend_string_init(ctype, strlen(ctype), 0);
	}
	BG(locale_changed) = 1;
	zend_update_current_locale();
}

bool kq_directory_set(const char *directory)
{
	if (VCWD_CHDIR(directory) != 0) {
		return false;
	}
	php_clear_stat_cache(0, NULL, 0);
	return true;
}

#if PHP_VERSION_ID >= 80400
# define MT_STATE (&RANDOM_G(mt19937))
#else
# define MT_STATE ((php_random_status_state_mt19937 *)RANDOM_G(mt19937)->state)
#endif

void kq_random_copy(kq_random *random)
{
	random->seeded = RANDOM_G(mt19937_seeded);
	random->state = *MT_STATE;
}

void kq_random_exchange(kq_random *random)
{
	kq_random kept;
	kq_random_copy(&kept);
	RANDOM_G(mt19937_seeded) = random->seeded;
	*MT_STATE = random->state;
	*random = kept;
}

/* ---- functions that are watched --------------------------------------------------------------------------------- */

zend_function *kq_find_function(const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(EG(function_table), lower, length);
}

void kq_call_known(zend_function *function, zval *result, uint32_t count, zval *arguments)
{
	zend_call_known_function(function, NULL, NULL, result, count, arguments, NULL);
}

/* Each class's own copy of a base class's internal method. */
void kq_each_override(zend_class_entry *base, const char *lower, size_t length, zif_handler handler, void (*each)(void *, zend_function *), void *argument)
{
	zend_class_entry *class_entry;
	ZEND_HASH_MAP_FOREACH_PTR(EG(class_table), class_entry) {
		if (!(class_entry->ce_flags & ZEND_ACC_LINKED) || !instanceof_function(class_entry, base)) {
			continue;
		}
		zend_function *function = zend_hash_str_find_ptr(&class_entry->function_table, lower, length);
		if (function && function->type == ZEND_INTERNAL_FUNCTION && function->internal_function.handler == handler) {
			each(argument, function);
		}
	} ZEND_HASH_FOREACH_END();
}

/* The running function's argument, counted from 1; NULL if it was not given. */
zval *kq_argument(zend_execute_data *frame, uint32_t number)
{
	if (ZEND_CALL_NUM_ARGS(frame) < number) {
		return NULL;
	}
	zval *argument = ZEND_CALL_ARG(frame, number);
	ZVAL_DEREF(argument);
	return Z_TYPE_P(argument) == IS_UNDEF ? NULL : argument;
}

bool kq_is_identical(zval *one, zval *other) { return zend_is_identical(one, other); }
void kq_string_release(zend_string *string) { zend_string_release(string); }

zend_function *kq_method(zend_class_entry *class_entry, const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(&class_entry->function_table, lower, length);
}

bool kq_is_true(zval *value) { return zend_is_true(value); }

/* ---- between two jobs ------------------------------------------------------------------------------------------- */

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
	EG(error_reporting) = base_error_reporting;
}

/* ---- the runner's hooks into the engine ------------------------------------------------------------------------- */

static void (*interrupt_handler)(bool) = NULL;
static void (*next_interrupt)(zend_execute_data *) = NULL;
static int blocks = 0; /* regions in which a lane must not be suspended */
static int (*engine_gc)(void) = NULL;
static zend_class_entry *(*engine_autoload)(zend_string *, zend_string *) = NULL;

/* The engine finds out from the next operation how many arguments of a call have been passed, as if that had thrown: before one that
 * passes another, or calls, it would free an argument that is not there. */
static bool may_throw_before(const zend_execute_data *frame)
{
	if (!frame->func || !ZEND_USER_CODE(frame->func->type)) {
		return true;
	}
	switch (frame->opline->opcode) {
		case ZEND_SEND_VAL:
		case ZEND_SEND_VAL_EX:
		case ZEND_SEND_VAR:
		case ZEND_SEND_VAR_EX:
		case ZEND_SEND_REF:
		case ZEND_SEND_VAR_NO_REF:
		case ZEND_SEND_VAR_NO_REF_EX:
		case ZEND_SEND_FUNC_ARG:
		case ZEND_SEND_USER:
		case ZEND_SEND_ARRAY:
		case ZEND_SEND_UNPACK:
		case ZEND_CHECK_UNDEF_ARGS:
		case ZEND_DO_FCALL:
		case ZEND_DO_ICALL:
		case ZEND_DO_UCALL:
		case ZEND_DO_FCALL_BY_NAME:
			return false;
		default:
			return true;
	}
}

static bool is_call(const zend_op *opline)
{
	return opline->opcode == ZEND_DO_FCALL || opline->opcode == ZEND_DO_ICALL || opline->opcode == ZEND_DO_FCALL_BY_NAME;
}

static bool is_of(zend_uchar type, znode_op operand, uint32_t variable)
{
	return (type & (IS_TMP_VAR | IS_VAR)) && operand.var == variable;
}

/* Frees what an operation would have taken, unless a later one takes it too: that the engine frees. */
static void drop_taken(zend_execute_data *frame, uint32_t number, zend_uchar type, znode_op operand)
{
	if (!(type & (IS_TMP_VAR | IS_VAR))) {
		return;
	}
	const zend_op_array *code = &frame->func->op_array;
	for (int i = 0; i < code->last_live_range; i++) {
		const zend_live_range *range = &code->live_range[i];
		if (range->start <= number && number < range->end && (range->var & ~ZEND_LIVE_MASK) == operand.var) {
			return;
		}
	}
	zval value;
	ZVAL_COPY_VALUE(&value, ZEND_CALL_VAR(frame, operand.var));
	ZVAL_UNDEF(ZEND_CALL_VAR(frame, operand.var));
	zval_ptr_dtor(&value);
}

/* Of other operations the first operand may be a class, or a place. */
static bool takes_two_values(const zend_op *opline)
{
	return (opline->opcode >= ZEND_ADD && opline->opcode <= ZEND_POW) || opline->opcode == ZEND_FAST_CONCAT
		|| (opline->opcode >= ZEND_BOOL_XOR && opline->opcode <= ZEND_IS_SMALLER_OR_EQUAL) || opline->opcode == ZEND_SPACESHIP
		|| opline->opcode == ZEND_FETCH_DIM_R || opline->opcode == ZEND_FETCH_DIM_IS;
}

/*
 * What the next operation would have done for the engine, if an exception came before it: after a call it takes the result, or ends
 * the @ in front of it. The engine takes that for done. Only PHP 8.2 serves an interrupt during a call of C code there.
 */
static void finish_call_before(zend_execute_data *frame, const zend_op *next)
{
	const zend_op_array *code = &frame->func->op_array;
	uint32_t number = next - code->opcodes;
	if (number == 0 || !is_call(next - 1)) {
		return;
	}
	if (next->opcode == ZEND_END_SILENCE) {
		zend_long level = Z_LVAL_P(ZEND_CALL_VAR(frame, next->op1.var));
		if (E_HAS_ONLY_FATAL_ERRORS(EG(error_reporting)) && !E_HAS_ONLY_FATAL_ERRORS(level)) {
			EG(error_reporting) = (int)level;
		}
		return;
	}
	const zend_op *data = number + 1 < code->last && next[1].opcode == ZEND_OP_DATA ? next + 1 : NULL;
	bool first = is_of(next->op1_type, next->op1, next[-1].result.var), second = is_of(next->op2_type, next->op2, next[-1].result.var);
	if (!(next[-1].result_type & (IS_TMP_VAR | IS_VAR))) {
		return;
	}
	if (second && next->opcode == ZEND_ROPE_END) {
		zend_string **parts = (zend_string **)ZEND_CALL_VAR(frame, next->op1.var);
		for (uint32_t i = 0; i < next->extended_value; i++) {
			zend_string_release(parts[i]);
		}
	}
	if (first || (second && takes_two_values(next))) {
		drop_taken(frame, number, next->op1_type, next->op1);
	}
	if (second || (first && takes_two_values(next))) {
		drop_taken(frame, number, next->op2_type, next->op2);
	}
	if (data && is_of(data->op1_type, data->op1, next[-1].result.var)) {
		drop_taken(frame, number, data->op1_type, data->op1);
	}
}

static void on_interrupt(zend_execute_data *frame)
{
	if (next_interrupt) {
		next_interrupt(frame);
	}
	if (interrupt_handler && !EG(exception)) {
		const zend_op *next = frame->func && ZEND_USER_CODE(frame->func->type) ? frame->opline : NULL;
		interrupt_handler(may_throw_before(frame));
		if (next && EG(exception)) {
			finish_call_before(frame, next);
		}
	}
}

/*
 * The PHP code that is running, the innermost first. An interrupt that came during a call of C code is served after it, when the
 * opcode that comes next is current already: the call is the one before.
 */
uint32_t kq_places(kq_place *places, uint32_t most)
{
	uint32_t count = 0;
	for (zend_execute_data *frame = EG(current_execute_data); frame && count < most; frame = frame->prev_execute_data) {
		if (!frame->func || !ZEND_USER_CODE(frame->func->type)) {
			continue;
		}
		const zend_op *opline = frame->opline;
		if (opline->opcode == ZEND_HANDLE_EXCEPTION && EG(opline_before_exception)) {
			opline = EG(opline_before_exception);
		}
		if (frame == EG(current_execute_data) && opline > frame->func->op_array.opcodes && is_call(opline - 1)) {
			opline--;
		}
		places[count++] = (kq_place){ frame->func->op_array.filename, opline->lineno };
	}
	return count;
}

/* In MINIT, since the JIT compiles in whether there is a handler. */
void kq_minit(void)
{
	next_interrupt = zend_interrupt_function;
	zend_interrupt_function = on_interrupt;
	kq_stacks_minit();
}

void kq_set_interrupt(void (*handler)(bool)) { interrupt_handler = handler; }

void kq_request_interrupt(void)
{
#if PHP_VERSION_ID >= 80300 || defined(ZEND_ATOMIC_H)
	zend_atomic_bool_store(&EG(vm_interrupt), true);
#else
	EG(vm_interrupt) = 1;
#endif
}

/* Other lanes would run with the collector locked. */
static int collect_without_switch(void)
{
	blocks++;
	int collected = engine_gc();
	blocks--;
	return collected;
}

/* Another lane would see the class as "being loaded" and fail. */
static zend_class_entry *autoload_without_switch(zend_string *name, zend_string *lower)
{
	blocks++;
	zend_class_entry *found = engine_autoload(name, lower);
	blocks--;
	return found;
}

void kq_runner_hooks(bool on)
{
	if (on && !engine_gc) {
		engine_gc = gc_collect_cycles;
		gc_collect_cycles = collect_without_switch;
		if (zend_autoload) {
			engine_autoload = zend_autoload;
			zend_autoload = autoload_without_switch;
		}
	} else if (!on && engine_gc) {
		gc_collect_cycles = engine_gc;
		engine_gc = NULL;
		if (engine_autoload) {
			zend_autoload = engine_autoload;
			engine_autoload = NULL;
		}
	}
}

bool kq_switch_blocked(void) { return blocks > 0 || zend_fiber_switch_blocked(); }
void kq_enter_block(void) { blocks++; }
void kq_leave_block(void) { blocks--; }
void kq_reset_blocks(void) { blocks = 0; }

const char *kq_last_error(void) { return PG(last_error_message) ? ZSTR_VAL(PG(last_error_message)) : NULL; }
int kq_last_error_type(void) { return PG(last_error_message) ? PG(last_error_type) : 0; }

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

bool kq_extension_loaded(const char *name, size_t length)
{
	return zend_hash_str_exists(&module_registry, name, length) || zend_get_extension(name) != NULL;
}

char *kq_ini(const char *name, size_t length) { return zend_ini_string((char *)name, length, 0); }

zend_class_entry *kq_loaded_class(const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(EG(class_table), lower, length);
}

/* After a fatal error for want of memory the jobs that still run must be able to end. */
void kq_lift_memory_limit(void)
{
	zend_set_memory_limit(SIZE_MAX);
#ifdef ZEND_HAS_OOM
	EG(delayed_oom).state = ZEND_OOM_STATE_NONE; /* else the engine makes no call any more */
#endif
}

/* For the scheduler's context, where nobody catches what a destructor throws. False: a fatal error in one. */
bool kq_collect_cycles(void)
{
	volatile bool collected = false;
	zend_try {
		gc_collect_cycles();
		if (EG(exception)) {
			zend_clear_exception();
		}
		collected = true;
	} zend_end_try();
	return collected;
}

void kq_new_string(zval *to, const char *bytes, size_t length) { ZVAL_STRINGL_FAST(to, bytes, length); }

void kq_set_last_error(zval *message)
{
	if (PG(last_error_message)) {
		zend_string_release(PG(last_error_message));
	}
	PG(last_error_message) = zend_string_copy(Z_STR_P(message));
	PG(last_error_type) = E_ERROR;
}

bool kq_has_public_method(zend_object *object, const char *lower, size_t length)
{
	zend_function *function = zend_hash_str_find_ptr(&object->ce->function_table, lower, length);
	return function && (function->common.fn_flags & ZEND_ACC_PUBLIC) && !(function->common.fn_flags & ZEND_ACC_ABSTRACT);
}

/* Not php_error_docref: it wants the name of the running function, and a lane's first frame has none. */
void kq_warn(const char *message) { zend_error(E_WARNING, "KQueue: %s", message); }

/* "file" and "line" are Exception's own. */
void kq_set_property(zend_object *object, zend_class_entry *scope, const char *name, size_t length, zval *value)
{
	zend_update_property_ex(zend_hash_str_exists(&zend_ce_exception->properties_info, name, length) ? zend_ce_exception : scope,
		object, zend_string_init_interned(name, length, 0), value);
}

/* ---- KQueue\Exception\* ----------------------------------------------------------------------------------------- */

static zend_class_entry *exception_class(const char *name, size_t length, zend_class_entry *parent, zend_class_entry *interface)
{
	zend_class_entry ce;
	INIT_CLASS_ENTRY_EX(ce, name, length, NULL);
	zend_class_entry *registered = zend_register_internal_class_ex(&ce, parent);
	zend_class_implements(registered, 1, interface);
	return registered;
}

static void declare_string(zend_class_entry *class_entry, const char *name, size_t length)
{
	zval empty;
	ZVAL_EMPTY_STRING(&empty);
	zend_string *interned = zend_string_init_interned(name, length, 1);
	zend_declare_typed_property(class_entry, interned, &empty, ZEND_ACC_PUBLIC, NULL, (zend_type)ZEND_TYPE_INIT_MASK(MAY_BE_STRING));
}

#define EXCEPTION(name, parent) exception_class("KQueue\\Exception\\" name, sizeof("KQueue\\Exception\\" name) - 1, parent, interface)

void kq_register_exceptions(void)
{
	zend_class_entry ce;
	INIT_CLASS_ENTRY(ce, "KQueue\\Exception\\KQueueException", NULL);
	zend_class_entry *interface = zend_register_internal_interface(&ce);
	zend_class_implements(interface, 1, zend_ce_throwable);
	EXCEPTION("InvalidArgument", spl_ce_InvalidArgumentException);
	EXCEPTION("Unsupported", spl_ce_RuntimeException);
	EXCEPTION("EngineError", spl_ce_RuntimeException);
	EXCEPTION("JobTimedOut", spl_ce_RuntimeException);
	EXCEPTION("ConnectionShared", spl_ce_RuntimeException);
	EXCEPTION("JobExited", spl_ce_RuntimeException);
	EXCEPTION("Cancelled", spl_ce_RuntimeException);
	EXCEPTION("ChildDied", spl_ce_RuntimeException);
	zend_class_entry *remote = EXCEPTION("RemoteException", spl_ce_RuntimeException);
	declare_string(remote, "class", sizeof("class") - 1);
	declare_string(remote, "remoteTrace", sizeof("remoteTrace") - 1);
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
