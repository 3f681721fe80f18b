/* Static variables of functions, and global variables. */
#include "shim.h"

bool kq_has_hooked_properties(ZEND_ATTRIBUTE_UNUSED const zend_class_entry *class_entry)
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

/* All global variables as they are. Superglobals that nobody has used yet are made first, as above. */
void kq_copy_symbols(HashTable *to)
{
	zend_string *name;
	zval *value, copy;
	ZEND_HASH_MAP_FOREACH_STR_KEY(CG(auto_globals), name) {
		zend_is_auto_global(name);
	} ZEND_HASH_FOREACH_END();
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(&EG(symbol_table), name, value) {
		if (Z_TYPE_P(value) == IS_INDIRECT) {
			value = Z_INDIRECT_P(value);
		}
		if (name && Z_TYPE_P(value) != IS_UNDEF) {
			ZVAL_COPY(&copy, value);
			zend_hash_update(to, name, &copy);
		}
	} ZEND_HASH_FOREACH_END();
}

/* Whether the engine has evaluated the constant expressions of a class, and will not look again. */
bool kq_constants_evaluated(const zend_class_entry *class_entry)
{
	if (class_entry->ce_flags & ZEND_ACC_CONSTANTS_UPDATED) {
		return true;
	}
	if (!(class_entry->ce_flags & ZEND_ACC_IMMUTABLE)) {
		return false;
	}
	const zend_class_mutable_data *mutable_data = ZEND_MAP_PTR_GET_IMM(class_entry->mutable_data);
	return mutable_data && mutable_data->ce_flags & ZEND_ACC_CONSTANTS_UPDATED;
}
