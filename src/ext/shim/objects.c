/* What copying objects of internal classes needs of the engine. */
#include "shim.h"

/* What an object holds besides its properties, as its own handler tells the collector. `own`: these are the places themselves, and not a
 * list that was made of them, which the next question overwrites. */
zval *kq_inside(zend_object *object, int *count, bool *own)
{
	zval *values = NULL;
	*count = 0;
	*own = false;
	if (object->handlers->get_gc == zend_std_get_gc) {
		return NULL;
	}
	HashTable *before = object->properties;
	object->handlers->get_gc(object, &values, count);
	if (!before && object->properties) {
		/* Most handlers make a table of the properties, which each copy would have too. */
		zend_array_destroy(object->properties);
		object->properties = NULL;
	}
	*own = values != EG(get_gc_buffer).start;
	return values;
}

/* The class's own copy, whose properties are the old ones, counted; NULL (no exception left) where it has none. A user's __clone() is not
 * called: meanwhile the object is of a class that is the same but for this. Handlers know internal classes by address; such have none. */
zend_object *kq_clone_internal(zend_object *object)
{
	zend_class_entry *class_entry = object->ce, quiet = *class_entry;
	if (!object->handlers->clone_obj || (class_entry->clone && class_entry->type == ZEND_INTERNAL_CLASS)) {
		return NULL;
	}
	if (class_entry->clone) {
		quiet.clone = NULL;
		object->ce = &quiet;
	}
	zend_object *copy = object->handlers->clone_obj(object);
	object->ce = class_entry;
	if (copy) {
		copy->ce = class_entry;
	}
	if (EG(exception)) {
		zend_clear_exception();
		if (copy) {
			GC_ADD_FLAGS(copy, IS_OBJ_DESTRUCTOR_CALLED);
			OBJ_RELEASE(copy);
		}
		return NULL;
	}
	return copy;
}

/* Declared properties are left without a value. */
void kq_forget_properties(zend_object *object)
{
	for (int slot = 0; slot < object->ce->default_properties_count; slot++) {
		zval *value = OBJ_PROP_NUM(object, slot);
		zend_property_info *info = Z_ISREF_P(value) ? kq_property_of_slot(object, slot) : NULL;
		if (info) {
			ZEND_REF_DEL_TYPE_SOURCE(Z_REF_P(value), info);
		}
		zval_ptr_dtor(value);
		ZVAL_UNDEF(value);
	}
}

/* It ends as if its destructor had been called. */
void kq_never_destruct(zend_object *object) { GC_ADD_FLAGS(object, IS_OBJ_DESTRUCTOR_CALLED); }

bool kq_is_user_function(zend_function *function) { return function && function->type == ZEND_USER_FUNCTION; }

/* A finfo's options, and where its rules begin: those that are built in begin at one place. Its storage begins with the options and the
 * set of rules, a set begins with a list of lists, and a list's head is all zero up to the pointer to the first. */
bool kq_finfo_parts(zend_object *finfo, zend_long *options, void **rules)
{
	const int words = 5; /* of the smallest list of any libmagic */
	void **storage = *(void ***)((char *)finfo - finfo->handlers->offset);
	if (!storage || !storage[1]) {
		return false;
	}
	void **head = *(void ***)storage[1];
	*options = (zend_long)(uintptr_t)storage[0];
	*rules = NULL;
	for (int word = 0; head && word < words; word++) {
		if (head[word]) {
			*rules = head[word] == head ? NULL : *(void **)head[word];
			break;
		}
	}
	return *rules != NULL;
}

/* The place of an internal class's declared property in an object of it. */
zval *kq_declared_property(zend_object *object, zend_class_entry *of, const char *name, size_t length)
{
	zend_property_info *info = zend_hash_str_find_ptr(&of->properties_info, name, length);
	return info && !(info->flags & ZEND_ACC_STATIC) && IS_VALID_PROPERTY_OFFSET(info->offset) ? OBJ_PROP(object, info->offset) : NULL;
}

/* The table of elements of a MultipleIterator, if it lies where it should: what the object tells the collector is
 * its objects and what of their information is counted, in this order. */
HashTable *kq_storage_table(zend_object *storage)
{
	int count;
	bool own;
	const zval *told = kq_inside(storage, &count, &own), *end = told + count;
	HashTable *table = (HashTable *)((char *)storage - storage->handlers->offset);
	zval *entry;
	if (storage->handlers->offset < (int)sizeof(HashTable) || zend_hash_num_elements(table) > (uint32_t)count || HT_IS_PACKED(table)) {
		return NULL;
	}
	ZEND_HASH_FOREACH_VAL(table, entry) {
		kq_storage_element *element = Z_PTR_P(entry);
		if (told == end || element->object != Z_OBJ_P(told++)) {
			return NULL;
		}
		if (Z_REFCOUNTED(element->information) && (told == end || Z_PTR(element->information) != Z_PTR_P(told++))) {
			return NULL;
		}
	} ZEND_HASH_FOREACH_END();
	return told == end ? table : NULL;
}
