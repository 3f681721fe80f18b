/* Values, objects, closures. */
#include "shim.h"

void kq_zval_copy(zval *to, const zval *from) { ZVAL_COPY(to, from); }
void kq_zval_drop(zval *value) { zval_ptr_dtor(value); }
void kq_zval_null(zval *value) { ZVAL_NULL(value); }
void kq_string_release(zend_string *string) { zend_string_release(string); }
void kq_new_string(zval *to, const char *bytes, size_t length) { ZVAL_STRINGL_FAST(to, bytes, length); }
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

bool kq_is_lazy(ZEND_ATTRIBUTE_UNUSED zend_object *object)
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

HashTable *kq_array_dup(HashTable *array) { return zend_array_dup(array); }
HashTable *kq_new_array(uint32_t size) { return zend_new_array(size); }
bool kq_is_packed_without_holes(HashTable *array) { return HT_IS_PACKED(array) && HT_IS_WITHOUT_HOLES(array); }
zend_long kq_next_free(HashTable *array) { return array->nNextFreeElement; }
void kq_set_next_free(HashTable *array, zend_long next) { array->nNextFreeElement = next; }

bool kq_is_identical(zval *one, zval *other) { return zend_is_identical(one, other); }
bool kq_is_true(zval *value) { return zend_is_true(value); }
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
