/* Calls into PHP, how they end, and what they throw. */
#include "shim.h"
#include "internal.h"

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

kq_ending call_prepared(zend_fcall_info *call, zend_fcall_info_cache *cache, zval *result, uint32_t count, zval *arguments)
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

/* With the innermost frames only: a trace of endless recursion takes several times the memory that the recursion has. */
void kq_throw_short(zend_class_entry *class_entry, const char *message)
{
	zend_execute_data *frame = EG(current_execute_data);
	for (uint32_t i = 0; frame && i < 100; i++) {
		frame = frame->prev_execute_data;
	}
	zend_execute_data *rest = frame ? frame->prev_execute_data : NULL;
	if (frame) {
		frame->prev_execute_data = NULL;
	}
	kq_throw(class_entry, message);
	if (frame) {
		frame->prev_execute_data = rest;
	}
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

/* Not php_error_docref: it wants the name of the running function, and a lane's first frame has none. */
void kq_warn(const char *message) { zend_error(E_WARNING, "KQueue: %s", message); }

/* "file" and "line" are Exception's own. */
void kq_set_property(zend_object *object, zend_class_entry *scope, const char *name, size_t length, zval *value)
{
	zend_update_property_ex(zend_hash_str_exists(&zend_ce_exception->properties_info, name, length) ? zend_ce_exception : scope,
		object, zend_string_init_interned(name, length, 0), value);
}

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
	EXCEPTION("OutOfMemory", spl_ce_RuntimeException);
	EXCEPTION("ConnectionShared", spl_ce_RuntimeException);
	EXCEPTION("JobExited", spl_ce_RuntimeException);
	EXCEPTION("Cancelled", spl_ce_RuntimeException);
	EXCEPTION("ChildDied", spl_ce_RuntimeException);
	zend_class_entry *remote = EXCEPTION("RemoteException", spl_ce_RuntimeException);
	declare_string(remote, "class", sizeof("class") - 1);
	declare_string(remote, "remoteTrace", sizeof("remoteTrace") - 1);
}
