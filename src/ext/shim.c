/*
 * What only C can say: Zend's macros, setjmp, fiber contexts. It decides nothing; callers are in zend.rs and lane.rs.
 * Every function runs on the PHP thread.
 */
#include "shim.h"

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

static void (*interrupt_handler)(void) = NULL;
static void (*next_interrupt)(zend_execute_data *) = NULL;
static int blocks = 0; /* regions in which a lane must not be suspended */
static int (*engine_gc)(void) = NULL;
static zend_class_entry *(*engine_autoload)(zend_string *, zend_string *) = NULL;

static void on_interrupt(zend_execute_data *frame)
{
	if (next_interrupt) {
		next_interrupt(frame);
	}
	if (interrupt_handler && !EG(exception)) {
		interrupt_handler();
	}
}

/* In MINIT, since the JIT compiles in whether there is a handler. */
void kq_minit(void)
{
	next_interrupt = zend_interrupt_function;
	zend_interrupt_function = on_interrupt;
	kq_valgrind_minit();
}

void kq_set_interrupt(void (*handler)(void)) { interrupt_handler = handler; }

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
