/* Whether a lane is in the middle of what the engine does with state of the process, such as a class that other lanes would find half
 * made. docs/switches.md lists all such places; these are the ones that can be seen only by what is on the stack. */
#include "shim.h"

/* What calls code here, directly: an error handler, __toString() of a constant, or the autoloader. Constructors are called by another
 * operation, and no other code of the program by any of these. */
static bool is_midway(zend_uchar opcode)
{
	switch (opcode) {
		/* The class is in the table, and not yet linked: to others it is not there. */
		case ZEND_DECLARE_CLASS:
		case ZEND_DECLARE_CLASS_DELAYED:
		case ZEND_DECLARE_ANON_CLASS:
		/* The constants of a class, or what its properties begin with: marked as visited while they are evaluated, and to others it
		 * would seem that they name themselves. */
		case ZEND_FETCH_CLASS_CONSTANT:
		case ZEND_NEW:
		case ZEND_FETCH_STATIC_PROP_R:
		case ZEND_FETCH_STATIC_PROP_W:
		case ZEND_FETCH_STATIC_PROP_RW:
		case ZEND_FETCH_STATIC_PROP_IS:
		case ZEND_FETCH_STATIC_PROP_FUNC_ARG:
		case ZEND_FETCH_STATIC_PROP_UNSET:
			return true;
		default:
			return false;
	}
}

/* Looked at only before a wait, since it costs some nanoseconds for each frame. The innermost is left out: nothing is called from there. */
bool kq_is_midway(void)
{
	const zend_execute_data *frame = EG(current_execute_data);
	for (frame = frame ? frame->prev_execute_data : NULL; frame; frame = frame->prev_execute_data) {
		if (frame->func && ZEND_USER_CODE(frame->func->type) && is_midway(frame->opline->opcode)) {
			return true;
		}
	}
	return false;
}

static zend_op_array *(*engine_compile_string)(zend_string *, const char *, zend_compile_position) = NULL;

/* The compiler is one for the process. */
static zend_op_array *compile_without_switch(zend_string *source, const char *file, zend_compile_position position)
{
	kq_enter_block();
	zend_op_array *code = engine_compile_string(source, file, position);
	kq_leave_block();
	return code;
}

void kq_midway_hooks(bool on)
{
	if (on && !engine_compile_string) {
		engine_compile_string = zend_compile_string;
		zend_compile_string = compile_without_switch;
	} else if (!on && engine_compile_string) {
		zend_compile_string = engine_compile_string;
		engine_compile_string = NULL;
	}
}
