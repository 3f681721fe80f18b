/* Functions, methods and classes: which there are, and what a call was given. */
#include "shim.h"

zend_function *kq_find_function(const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(EG(function_table), lower, length);
}

void kq_call_known(zend_function *function, zval *result, uint32_t count, zval *arguments)
{
	/* A copy of one that is deprecated: the call is ours, and nobody is to be told of it. An internal function is smaller than the union. */
	zend_function quiet;
	if (function->type == ZEND_INTERNAL_FUNCTION && function->common.fn_flags & ZEND_ACC_DEPRECATED) {
		quiet.internal_function = function->internal_function;
		quiet.common.fn_flags &= ~ZEND_ACC_DEPRECATED;
		function = &quiet;
	}
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

/* Whether PHP has called a function that forks PHP itself. */
bool kq_forks_itself(void)
{
	zend_execute_data *frame = EG(current_execute_data);
	zend_string *name = frame && frame->func && frame->func->type == ZEND_INTERNAL_FUNCTION ? frame->func->common.function_name : NULL;
	return name && (zend_string_equals_literal(name, "pcntl_fork") || zend_string_equals_literal(name, "pcntl_rfork"));
}

zend_function *kq_method(zend_class_entry *class_entry, const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(&class_entry->function_table, lower, length);
}

bool kq_has_public_method(zend_object *object, const char *lower, size_t length)
{
	zend_function *function = zend_hash_str_find_ptr(&object->ce->function_table, lower, length);
	return function && (function->common.fn_flags & ZEND_ACC_PUBLIC) && !(function->common.fn_flags & ZEND_ACC_ABSTRACT);
}

bool kq_extension_loaded(const char *name, size_t length)
{
	return zend_hash_str_exists(&module_registry, name, length) || zend_get_extension(name) != NULL;
}

zend_class_entry *kq_loaded_class(const char *lower, size_t length)
{
	return zend_hash_str_find_ptr(EG(class_table), lower, length);
}
