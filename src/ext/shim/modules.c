/* What each loaded extension has in globals, and how it clears them at a request's end. */
#include "shim.h"
#include "internal.h"
#include "ext/date/php_date.h"
#include <dlfcn.h>

void kq_each_module(void (*each)(void *, zend_module_entry *, const char *, void *, size_t), void *argument)
{
	zend_module_entry *module;
	ZEND_HASH_FOREACH_PTR(&module_registry, module) {
		each(argument, module, module->name, module->globals_ptr, module->globals_size);
	} ZEND_HASH_FOREACH_END();
}

/* The fields that ini settings write to, with the start of the globals that they lie in. What an unknown handler writes has at most the size of a pointer. */
void kq_each_ini_field(zend_module_entry *module, void (*each)(void *, const char *, size_t, void *, size_t, size_t), void *argument)
{
	zend_ini_entry *entry;
	ZEND_HASH_FOREACH_PTR(EG(ini_directives), entry) {
		if (entry->module_number == module->module_number && entry->mh_arg2) {
			size_t length = entry->on_modify == OnUpdateBool ? sizeof(bool) : sizeof(void *);
			each(argument, ZSTR_VAL(entry->name), ZSTR_LEN(entry->name), entry->mh_arg2, (size_t)entry->mh_arg1, length);
		}
	} ZEND_HASH_FOREACH_END();
}

/* Of an extension that is loaded from a file: it may have been loaded after this one, and begin a request later. To begin it twice does no harm. */
void kq_module_begin(zend_module_entry *module)
{
	if (module->handle && module->request_startup_func) {
		module->request_startup_func(module->type, module->module_number);
	}
}

/* What a request's end and the next one's begin do for this extension. */
void kq_module_renew(zend_module_entry *module)
{
	if (module->request_shutdown_func) {
		module->request_shutdown_func(module->type, module->module_number);
	}
	if (module->post_deactivate_func) {
		module->post_deactivate_func();
	}
	if (module->request_startup_func) {
		module->request_startup_func(module->type, module->module_number);
	}
}

/* Where libxml2 keeps, for this thread, whom it tells of errors, and the last one. NULL: it is not loaded, or is another. */
void *kq_libxml_place(const char *function)
{
	void *(*place)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, function);
	return place ? place() : NULL;
}

void kq_date_errors_free(void *container)
{
	timelib_error_container *errors = container;
	for (int i = 0; i < errors->warning_count; i++) {
		timelib_free(errors->warning_messages[i].message);
	}
	for (int i = 0; i < errors->error_count; i++) {
		timelib_free(errors->error_messages[i].message);
	}
	if (errors->warning_messages) {
		timelib_free(errors->warning_messages);
	}
	if (errors->error_messages) {
		timelib_free(errors->error_messages);
	}
	timelib_free(errors);
}
