/* What only C can say: Zend's macros, setjmp, fiber contexts. It decides nothing. */
#ifndef KQ_SHIM_H
#define KQ_SHIM_H

#include "php.h"
#include "SAPI.h"
#include "php_ini.h"
#include "php_main.h"
#include "zend_closures.h"
#include "zend_enum.h"
#include "zend_exceptions.h"
#include "zend_extensions.h"
#include "zend_fibers.h"
#include "zend_generators.h"
#include "zend_interfaces.h"
#include "zend_weakrefs.h"
#include "ext/spl/spl_exceptions.h"
#include "ext/standard/basic_functions.h"
#include "ext/standard/php_var.h"
#include "main/php_output.h"

/* How a call into PHP ended. */
typedef enum { KQ_RETURNED = 0, KQ_THREW = 1, KQ_EXITED = 2, KQ_BAILED_OUT = 3 } kq_ending;

/* One native context: a C stack, a VM stack, and where to go on. */
typedef struct kq_context {
	zend_fiber_context fiber;
	zend_fiber_context *inner; /* the innermost context of the suspended lane: a job's own Fiber may be on top */
	zend_vm_stack vm_stack;
	void (*main)(void *);
	void *argument;
	zend_error_handling_t error_handling;
	zend_class_entry *exception_class;
	bool started;
	bool ended;
	bool bailed_out;
} kq_context;

bool kq_context_init(kq_context *context, void (*main)(void *), void *argument);
void kq_context_enter(kq_context *context); /* from the scheduler; returns when the lane suspends or ends */
void kq_context_leave(kq_context *context); /* from the lane, back to the scheduler */
bool kq_in_scheduler(void);
void kq_scheduler_here(void);
void kq_context_destroy(kq_context *context);

kq_ending kq_call(zval *callable, zval *result, uint32_t count, zval *arguments);
kq_ending kq_call_method(zend_object *object, zend_class_entry *scope, const char *name, size_t length, zval *result, uint32_t count, zval *arguments);
kq_ending kq_closure_of(zval *callable, zval *closure);
void kq_bailout(void);

void kq_zval_copy(zval *to, const zval *from);
void kq_zval_drop(zval *value);
void kq_zval_null(zval *value);
void kq_object_release(zend_object *object);
void kq_addref(void *counted);
uint32_t kq_refcount(void *counted);
uint32_t kq_gc_flags(void *counted);
zend_reference *kq_new_reference(zval *holder);
void kq_reference_copy_sources(zend_reference *to, zend_property_info *info);
bool kq_collect_cycles(void);
bool kq_has_public_method(zend_object *object, const char *lower, size_t length);
void kq_warn(const char *message);
void kq_register_exceptions(void);
void kq_set_property(zend_object *object, zend_class_entry *scope, const char *name, size_t length, zval *value);
bool kq_is_standard_stream(zval *resource);
void kq_new_string(zval *to, const char *bytes, size_t length);
void kq_set_last_error(zval *message);
zend_class_entry *kq_loaded_class(const char *lower, size_t length);
zend_property_info *kq_property_of_slot(zend_object *object, uint32_t slot);
bool kq_is_lazy(zend_object *object);
void kq_separate_properties(zend_object *object);
HashTable *kq_closure_variables(zend_function *function);
void kq_closure_parts(zend_object *closure, zend_class_entry **called_scope, zend_function **function);
zval *kq_static_members(zend_class_entry *class_entry);
HashTable *kq_new_array(uint32_t size);
zend_object *kq_clone_internal(zend_object *object);
bool kq_is_instance(zend_class_entry *class_entry, zend_class_entry *of);
size_t kq_object_handle_offset(zend_object *object);
zend_long kq_next_free(HashTable *array);
void kq_set_next_free(HashTable *array, zend_long next);
bool kq_weakmap_each(zend_object *map, void (*each)(void *, zval *key, zval *value), void *argument);
void kq_weakmap_set(zend_object *map, zval *key, zval *value);
bool kq_is_packed_without_holes(HashTable *array);

void kq_minit(void);
void kq_valgrind_minit(void);
void kq_set_interrupt(void (*handler)(void));
void kq_request_interrupt(void);
void kq_runner_hooks(bool on);
bool kq_switch_blocked(void);
void kq_enter_block(void);
void kq_leave_block(void);
void kq_reset_blocks(void);
const char *kq_last_error(void);
int kq_last_error_type(void);
void kq_renew_handlers(const zval *error_handler, int error_handler_reporting, const zval *exception_handler);
bool kq_flush_output(void);
bool kq_has_output_buffer(void);
void kq_start_output(void);
bool kq_take_output(zval *text);
void kq_write_output(const char *text, size_t length);
void kq_show_exception(void);
void kq_lift_memory_limit(void);
void kq_fresh_output(void);
bool kq_extension_loaded(const char *name, size_t length);
char *kq_ini(const char *name, size_t length);
void kq_throw(zend_class_entry *class_entry, const char *message);
void kq_throw_exit(void);
bool kq_has_exception(void);
zend_object *kq_take_exception(void);
void kq_put_exception(zend_object *exception);

#endif
