/* What the running slice spends on loading code that the process has not had yet. */
#include "shim.h"
#include <time.h>

/* More file names are not remembered; a file beyond is not taken for new. */
#define MOST_FILES 65536

static zend_op_array *(*engine_compile_file)(zend_file_handle *, int) = NULL;
static kq_loading spent;
static uint64_t slice = 0;
static HashTable compiled; /* names of files that were compiled while hooks were there */
static bool has_compiled = false;

static kq_loading reading(void)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (kq_loading) {(uint64_t) now.tv_sec * 1000000000 + now.tv_nsec, (int64_t) zend_memory_usage(false)};
}

kq_load kq_load_begins(void) { return (kq_load) {slice, spent, reading()}; }

/* What was loaded within has been counted already, and is counted once: all that was spent since is the outermost's. After a wait in
 * the middle, it is not known what was spent meanwhile, and nothing is counted. */
void kq_load_ends(const kq_load *load)
{
	if (load->slice == slice) {
		kq_loading now = reading();
		spent.nanoseconds = load->spent.nanoseconds + now.nanoseconds - load->began.nanoseconds;
		spent.bytes = load->spent.bytes + now.bytes - load->began.bytes;
	}
}

/* What has been spent since the last time. A slice ends, or begins. */
kq_loading kq_take_loading(void)
{
	kq_loading taken = spent;
	spent = (kq_loading) {0, 0};
	slice++;
	return taken;
}

/* A file that is compiled again and again, such as a template without opcache, is work of whoever includes it. */
static bool is_new(const zend_file_handle *file)
{
	return file->filename && zend_hash_num_elements(&compiled) < MOST_FILES
		&& zend_hash_str_add_empty_element(&compiled, ZSTR_VAL(file->filename), ZSTR_LEN(file->filename)) != NULL;
}

/* The compiler is one for the process, and so is what reads the file for it. Code of the file runs later. */
static zend_op_array *compile_without_switch(zend_file_handle *file, int type)
{
	kq_enter_block();
	zend_op_array *code = engine_compile_file(file, type);
	kq_leave_block();
	return code;
}

static zend_op_array *compile_and_count(zend_file_handle *file, int type)
{
	if (!is_new(file)) {
		return compile_without_switch(file, type);
	}
	kq_load load = kq_load_begins();
	zend_op_array *code = compile_without_switch(file, type);
	kq_load_ends(&load);
	return code;
}

void kq_loading_hooks(bool on)
{
	if (on && !engine_compile_file) {
		if (!has_compiled) {
			zend_hash_init(&compiled, 64, NULL, NULL, true);
			has_compiled = true;
		}
		engine_compile_file = zend_compile_file;
		zend_compile_file = compile_and_count;
	} else if (!on && engine_compile_file) {
		zend_compile_file = engine_compile_file;
		engine_compile_file = NULL;
	}
}
