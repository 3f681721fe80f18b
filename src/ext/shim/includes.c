/* Files that are included while lanes run. Their code runs inside the compiler's hook, so that it can be seen what it leaves: which
 * classes and functions it declares, and what their variables hold when it has ended. */
#include "shim.h"

static zend_op_array *(*next_compile)(zend_file_handle *, int) = NULL;
static const kq_include_watcher *watcher = NULL;

/* Whether PHP code is just including something: others that compile (opcache_compile_file(), phar) want no code to run. */
static const zend_op *including(void)
{
	const zend_execute_data *frame = EG(current_execute_data);
	if (!frame || !frame->func || !ZEND_USER_CODE(frame->func->type) || frame->opline->opcode != ZEND_INCLUDE_OR_EVAL) {
		return NULL;
	}
	return frame->opline->extended_value == ZEND_EVAL ? NULL : frame->opline;
}

static bool is_define(const zend_op *opline)
{
	switch (opline->opcode) {
		case ZEND_INIT_FCALL:
		case ZEND_INIT_FCALL_BY_NAME:
			return zend_string_equals_literal_ci(Z_STR_P(RT_CONSTANT(opline, opline->op2)), "define");
		case ZEND_INIT_NS_FCALL_BY_NAME: /* the third literal is the name without its namespace */
			return zend_string_equals_literal(Z_STR_P(RT_CONSTANT(opline, opline->op2) + 2), "define");
		default:
			return false;
	}
}

/* Constants are the process's: a file that declares one cannot run again. And whether its code does anything but declare. */
static void look_at(const zend_op_array *code, kq_include *include)
{
	for (uint32_t i = 0; i < code->last; i++) {
		const zend_op *opline = &code->opcodes[i];
		switch (opline->opcode) {
			case ZEND_DECLARE_CONST:
				include->declares = true;
				break;
			case ZEND_NOP:
			case ZEND_RETURN:
			case ZEND_EXT_STMT:
			case ZEND_DECLARE_CLASS:
			case ZEND_DECLARE_CLASS_DELAYED:
			case ZEND_DECLARE_FUNCTION:
				break;
			default:
				include->acts = true;
				include->declares = include->declares || is_define(opline);
		}
	}
}

/* What the file has added to a table of classes or functions. */
static bool has_added(HashTable *table, uint32_t from, bool classes, const zend_string *file)
{
	for (uint32_t i = from; i < table->nNumUsed; i++) {
		const zval *value = &table->arData[i].val;
		if (Z_TYPE_P(value) != IS_PTR) {
			continue;
		}
		const zend_string *declared_in = NULL;
		if (classes) {
			const zend_class_entry *class_entry = Z_CE_P(value);
			declared_in = class_entry->type == ZEND_USER_CLASS ? class_entry->info.user.filename : NULL;
		} else {
			const zend_function *function = Z_FUNC_P(value);
			declared_in = function->type == ZEND_USER_FUNCTION ? function->op_array.filename : NULL;
		}
		if (declared_in && zend_string_equals((zend_string *)declared_in, (zend_string *)file)) {
			return true;
		}
	}
	return false;
}

/* Code that only returns this value, which moves into it. */
static zend_op_array *code_that_returns(zval *value)
{
	zend_string *source = ZSTR_INIT_LITERAL("return 0;", 0);
	zend_op_array *code = zend_compile_string(source, "", ZEND_COMPILE_POSITION_AFTER_OPEN_TAG);
	zend_string_release(source);
	if (code) {
		ZVAL_COPY_VALUE(&code->literals[0], value);
	} else {
		zval_ptr_dtor(value);
	}
	return code;
}

/* As the engine does in a frame that called what threw: the frame goes on with its handler of exceptions. */
static void rethrow(zend_execute_data *frame)
{
	if (frame->opline->opcode != ZEND_HANDLE_EXCEPTION) {
		EG(opline_before_exception) = frame->opline;
		frame->opline = EG(exception_op);
	}
}

static void run(zend_op_array *code, kq_include *include)
{
	zend_object *exception;
	include->file = code->filename;
	code->scope = EG(current_execute_data)->func->op_array.scope;
	include->declares = include->declares || has_added(EG(class_table), include->classes, true, code->filename) ||
		has_added(EG(function_table), include->functions, false, code->filename);
	watcher->begins(include);
	zend_execute(code, include->result);
	include->declares = include->declares || has_added(EG(class_table), include->classes, true, code->filename) ||
		has_added(EG(function_table), include->functions, false, code->filename);
	exception = EG(exception);
	EG(exception) = NULL;
	watcher->ended(include);
	EG(exception) = exception;
	zend_destroy_static_vars(code);
	destroy_op_array(code);
	efree_size(code, sizeof(zend_op_array));
}

static zend_op_array *compile_and_run(zend_file_handle *handle, int type)
{
	const zend_op *opline = watcher ? including() : NULL;
	if (!opline) {
		return next_compile(handle, type);
	}
	zval result;
	ZVAL_LONG(&result, 1);
	kq_include include = {
		.path = handle->opened_path ? zend_string_copy(handle->opened_path) : zend_resolve_path(handle->filename),
		.once = opline->extended_value == ZEND_INCLUDE_ONCE || opline->extended_value == ZEND_REQUIRE_ONCE,
		.classes = EG(class_table)->nNumUsed,
		.functions = EG(function_table)->nNumUsed,
		.result = &result,
	};
	zend_op_array *code = NULL;
	if (include.path && !watcher->may_run(&include)) {
		code = code_that_returns(&result);
	} else if ((code = next_compile(handle, type))) {
		if (!include.path) {
			include.path = zend_string_copy(handle->opened_path ? handle->opened_path : code->filename);
		}
		/* The engine notes this after it has compiled a file that need not be once; here its code runs before that. */
		zend_hash_add_empty_element(&EG(included_files), include.path);
		ZVAL_UNDEF(&result);
		look_at(code, &include);
		run(code, &include);
		if (EG(exception)) {
			zval_ptr_dtor(&result);
			rethrow(EG(current_execute_data));
			code = NULL;
		} else {
			code = code_that_returns(&result);
		}
	}
	if (include.path) {
		zend_string_release(include.path);
	}
	return code;
}

void kq_watch_includes(const kq_include_watcher *by)
{
	if (by && !watcher) {
		next_compile = zend_compile_file;
		zend_compile_file = compile_and_run;
	} else if (!by && watcher && zend_compile_file == compile_and_run) {
		zend_compile_file = next_compile;
	}
	watcher = by;
}

void kq_forget_included(zend_string *path) { zend_hash_del(&EG(included_files), path); }
void kq_add_included(zend_string *path) { zend_hash_add_empty_element(&EG(included_files), path); }
int kq_argument_count(void) { return SG(request_info).argc; }
