/* What only C can say: Zend's macros, setjmp, fiber contexts. It decides nothing; callers are in zend.rs and lane/. All runs on the PHP thread. */
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
#include "ext/json/php_json.h"
#include "ext/random/php_random.h"
#include "ext/standard/basic_functions.h"
#include "ext/standard/file.h"
#include "ext/standard/php_var.h"
#include "main/php_output.h"
#include <poll.h>

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

/* What a request has of its own besides its variables; all zero for a new one. */
typedef struct kq_request {
	HashTable *shutdown_functions;
	zend_llist *tick_functions;
	zend_llist ticks; /* what the engine calls at a tick: PHP's own caller of these */
	zend_string *strtok_string;
	char *strtok_last;
	size_t strtok_len;
	int last_error_type;
	int last_error_line;
	zend_string *last_error_message;
	zend_string *last_error_file;
	php_json_error_code json_error;
	int exit_status;
	HashTable *wrapper_errors;
	int pclose_wait;
	const char *opening; /* the path that a stream wrapper of the program's is just opening */
	bool in_user_include;
	bool in_error_log;
	char *host_buffer; /* what gethostbyname() found, or, while it looks, what libc writes to */
	size_t host_buffer_size;
#if PHP_VERSION_ID >= 80400
	zval last_http_headers;
#endif
} kq_request;

/* Stream wrappers that were registered, or NULL for PHP's own; the default stream context, or NULL. */
typedef struct kq_streams {
	HashTable *wrappers;
	php_stream_context *context;
} kq_streams;

/* The state of mt_rand() and its kin. */
typedef struct kq_random {
	bool seeded;
	php_random_status_state_mt19937 state;
} kq_random;

/* Processor time, and what the allocator handed out. */
typedef struct kq_loading {
	uint64_t nanoseconds;
	int64_t bytes;
} kq_loading;

/* Code that is being loaded: in which slice, and what had been spent by then. */
typedef struct kq_load {
	uint64_t slice;
	kq_loading spent;
	kq_loading began;
} kq_load;

bool kq_context_init(kq_context *context, void (*main)(void *), void *argument);
void kq_context_enter(kq_context *context); /* from the scheduler; returns when the lane suspends or ends */
void kq_context_leave(kq_context *context); /* from the lane, back to the scheduler */
bool kq_in_scheduler(void);
int kq_base_error_reporting(void);
void kq_scheduler_here(void);

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
void kq_reference_drop_source(zend_reference *from, zend_property_info *info);
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
HashTable *kq_array_dup(HashTable *array);
bool kq_has_hooked_properties(const zend_class_entry *class_entry);
void kq_methods_with_statics(zend_class_entry *class_entry, void (*each)(void *, zend_op_array *), void *argument);
void kq_declare_variables(HashTable *table, HashTable *declared);
void kq_own_callable(zval *callable, zval *own);
void kq_output_drop(zend_output_globals *output);
void kq_request_exchange(kq_request *request);
void kq_request_drop(kq_request *request);
void kq_request_clear(void);
bool kq_run_shutdown_functions(void);
void kq_forget_shutdown_functions(void);
void kq_drop_tick_functions(void);
bool kq_constants_evaluated(const zend_class_entry *class_entry);
void kq_each_shutdown_function(HashTable *functions, void (*each)(void *, zval *callable, uint32_t count, zval *arguments), void *argument);
void kq_streams_copy(kq_streams *streams);
void kq_streams_exchange(kq_streams *streams);
void kq_streams_drop(kq_streams *streams);
typedef struct kq_wrapper_entry { zend_string *protocol; php_stream_wrapper *wrapper; } kq_wrapper_entry;
uint32_t kq_wrappers(void);
kq_wrapper_entry kq_wrapper(uint32_t index);
void kq_streams_add(kq_streams *streams, const kq_wrapper_entry *entry);
bool kq_forget_wrapper(zend_string *protocol);
zend_ini_entry *kq_ini_entry(zend_string *name);
zend_string *kq_ini_value(zend_ini_entry *entry);
void kq_each_modified_ini(void (*each)(void *, zend_ini_entry *), void *argument);
void kq_set_memory_limit(zend_string *value);
void kq_ini_set(zend_ini_entry *entry, zend_string *value, bool quietly);
void *kq_ini_quieten(zend_ini_entry *entry);
void kq_ini_unquieten(zend_ini_entry *entry, void *on_modify);
bool kq_memory_limit_allows(zend_string *value);
void kq_locale_set(const char *locale);
bool kq_directory_set(const char *directory);
void kq_random_exchange(kq_random *random);
void kq_random_copy(kq_random *random);
void kq_random_forget(void);
zend_function *kq_find_function(const char *lower, size_t length);
void kq_call_known(zend_function *function, zval *result, uint32_t count, zval *arguments);
void kq_each_override(zend_class_entry *base, const char *lower, size_t length, zif_handler handler, void (*each)(void *, zend_function *), void *argument);
bool kq_is_identical(zval *one, zval *other);
void kq_string_release(zend_string *string);
bool kq_forks_itself(void);
zend_function *kq_method(zend_class_entry *class_entry, const char *lower, size_t length);
zval *kq_argument(zend_execute_data *frame, uint32_t number);
bool kq_is_true(zval *value);
void kq_symbols_init(HashTable *table, uint32_t size);
void kq_symbols_destroy(HashTable *table);
void kq_symbols_clear(void);
void kq_copy_superglobals(HashTable *to);
void kq_copy_symbols(HashTable *to);
bool kq_is_instance(zend_class_entry *class_entry, zend_class_entry *of);
zend_long kq_next_free(HashTable *array);
void kq_set_next_free(HashTable *array, zend_long next);
bool kq_weakmap_each(zend_object *map, void (*each)(void *, zval *key, zval *value), void *argument);
void kq_weakmap_set(zend_object *map, zval *key, zval *value);
bool kq_is_packed_without_holes(HashTable *array);

/* objects.c */
zval *kq_inside(zend_object *object, int *count, bool *own);
zend_object *kq_clone_internal(zend_object *object);
void kq_forget_properties(zend_object *object);
void kq_never_destruct(zend_object *object);
bool kq_is_user_function(zend_function *function);
zval *kq_declared_property(zend_object *object, zend_class_entry *of, const char *name, size_t length);
/* An element of a MultipleIterator. */
typedef struct kq_storage_element { zend_object *object; zval information; } kq_storage_element;
HashTable *kq_storage_table(zend_object *storage);
bool kq_finfo_parts(zend_object *finfo, zend_long *options, void **rules);

/* modules.c */
void kq_each_module(void (*each)(void *, zend_module_entry *, const char *name, void *globals, size_t size), void *argument);
void kq_each_ini_field(zend_module_entry *module, void (*each)(void *, const char *name, size_t length, void *globals, size_t offset, size_t size), void *argument);
void kq_module_begin(zend_module_entry *module);
void kq_module_renew(zend_module_entry *module);
void *kq_libxml_place(const char *function);
void kq_date_errors_free(void *container);

void kq_minit(void);
void kq_stacks_minit(void);
void kq_contexts_minit(void);
/* Objects with these handlers, which are writable, hold PHP's values elsewhere: `held` tells each of them by kq_held(). */
void kq_tell_collector(const zend_object_handlers *handlers, void (*held)(zend_object *, void *));
void kq_held(void *buffer, zval *value);
/* A place in PHP code. */
typedef struct kq_place { zend_string *file; uint32_t line; } kq_place;
uint32_t kq_places(kq_place *places, uint32_t most);
void kq_set_interrupt(void (*handler)(bool may_throw, bool after_call));
void kq_request_interrupt(void);
void kq_runner_hooks(bool on);
void kq_loading_hooks(bool on);
void kq_midway_hooks(bool on);
bool kq_is_midway(void);
kq_load kq_load_begins(void);
void kq_load_ends(const kq_load *load);
kq_loading kq_take_loading(void);
bool kq_switch_blocked(void);
void kq_enter_block(void);
void kq_leave_block(void);
void kq_reset_blocks(void);
const char *kq_last_error(void);
const char *kq_last_error_file(void);
int kq_last_error_line(void);
void kq_renew_handlers(const zval *error_handler, int error_handler_reporting, const zval *exception_handler);
bool kq_flush_output(void);
bool kq_has_output_buffer(void);
void kq_start_output(void);
bool kq_take_output(zval *text);
void kq_write_output(const char *text, size_t length);
void kq_show_exception(void);
void kq_lift_memory_limit(void);
void kq_memory_begin(void);
void kq_memory_room(size_t room);
void kq_memory_whole(void);
zend_long kq_quantity(zend_string *value);
void kq_fresh_output(void);
bool kq_extension_loaded(const char *name, size_t length);
char *kq_ini(const char *name, size_t length);
void kq_throw(zend_class_entry *class_entry, const char *message);
void kq_throw_short(zend_class_entry *class_entry, const char *message);
void kq_throw_exit(void);
bool kq_has_exception(void);
zend_object *kq_take_exception(void);
void kq_put_exception(zend_object *exception);

/* A file that is included while somebody watches; what its code returns is in `result` when it has ended. */
typedef struct kq_include {
	zend_string *path;
	zend_string *file;  /* as what it declares names it */
	uint32_t classes;   /* how many the tables had before */
	uint32_t functions;
	bool once;
	bool acts;          /* its code does more than declare */
	bool declares;      /* a class, a function or a constant, so it cannot run twice in a process */
	zval *result;
} kq_include;
typedef struct kq_include_watcher {
	bool (*may_run)(const kq_include *include); /* false: `result` says what it would return */
	void (*begins)(const kq_include *include);
	void (*ended)(const kq_include *include);
} kq_include_watcher;
int kq_argument_count(void);
void kq_watch_includes(const kq_include_watcher *by);
void kq_forget_included(zend_string *path);
void kq_add_included(zend_string *path);

/* waits.c */
bool kq_argument_long(zend_execute_data *frame, uint32_t number, zend_long *value);
int kq_stream_to_wait_for(zval *value, double *limit);
void kq_stream_exchange_limit(zval *value, struct timeval *limit);
struct pollfd *kq_select_high(zend_execute_data *frame, bool sockets, uint32_t *count);
bool kq_select_buffered(zend_execute_data *frame, struct pollfd *list, zval *result);
void kq_select_done(zend_execute_data *frame, struct pollfd *list, uint32_t count, int error, zval *result);
int kq_select_descriptors(zend_execute_data *frame, struct pollfd *descriptors, int room);
const char *kq_closure_place(zval *value, uint32_t *line);

#endif
