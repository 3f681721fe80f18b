/* What PHP's collector is told of values that objects of ours hold. */
#include "shim.h"

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
