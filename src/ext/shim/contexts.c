/* Lanes' stacks, and the engine's switch from one to another. */
#include "shim.h"

static char context_kind;                          /* its address names our contexts to observers */
static zend_fiber_context *scheduler_fiber = NULL; /* the context that resumes lanes */
static int base_error_reporting = E_ALL;           /* what was in force as the run began */
static zend_function lane_root = { .type = ZEND_INTERNAL_FUNCTION }; /* ends backtraces at the lane's first frame */

/* 8.2 returns bool (true = ok), later versions zend_result (0 = ok): chosen by type, not by version number. */
#define INIT_OK(call) (__builtin_types_compatible_p(__typeof__(call), bool) ? (int)(call) != 0 : (int)(call) == 0)

/* The engine frees the C stack after this; the VM stack is ours. */
static void free_vm_stack(zend_fiber_context *fiber)
{
	kq_context *context = (kq_context *)((char *)fiber - XtOffsetOf(kq_context, fiber));
	zend_vm_stack current = EG(vm_stack);
	EG(vm_stack) = context->vm_stack;
	zend_vm_stack_destroy();
	EG(vm_stack) = current;
}

/* First and last function on a lane's C stack. */
static void context_main(zend_fiber_transfer *transfer)
{
	kq_context *context = (kq_context *)((char *)EG(current_fiber_context) - XtOffsetOf(kq_context, fiber));
	EG(vm_stack) = NULL;

	zend_first_try {
		zend_vm_stack stack = zend_vm_stack_new_page(ZEND_FIBER_VM_STACK_SIZE, NULL);
		EG(vm_stack) = stack;
		EG(vm_stack_top) = stack->top + ZEND_CALL_FRAME_SLOT;
		EG(vm_stack_end) = stack->end;
		EG(vm_stack_page_size) = ZEND_FIBER_VM_STACK_SIZE;

		zend_execute_data *frame = (zend_execute_data *)stack->top;
		memset(frame, 0, sizeof(*frame));
		frame->func = &lane_root;
		EG(current_execute_data) = frame;
		EG(jit_trace_num) = 0;
		EG(active_fiber) = NULL;
		/* Not from the ini setting, as Fibers do: error_reporting() in another lane's job changes that too. */
		EG(error_reporting) = base_error_reporting;
#ifdef ZEND_CHECK_STACK_LIMIT
		EG(stack_base) = zend_fiber_stack_base(context->fiber.stack);
		EG(stack_limit) = zend_fiber_stack_limit(context->fiber.stack);
#endif
		context->main(context->argument);
	} zend_catch {
		/* Calls into PHP end their own fatal errors; this one came from a destructor, as a value was dropped. */
		context->bailed_out = true;
	} zend_end_try();

	context->vm_stack = EG(vm_stack);
	context->fiber.cleanup = free_vm_stack;
	context->ended = true;
	transfer->context = scheduler_fiber;
	transfer->flags = 0;
	ZVAL_NULL(&transfer->value);
}

/*
 * As large as the setting says; by default as much as frees a list of 100,000 links, which PHP does by recursion (160 bytes for each). Only
 * what is used of it takes memory. Below it lies a page that is not to be touched.
 */
static size_t stack_size(void)
{
	const char *setting = zend_ini_string("fiber.stack_size", strlen("fiber.stack_size"), 0);
	return setting && *setting ? EG(fiber_stack_size) : 16 << 20;
}

/* The engine names in a message what runs, and in a program's outermost code that is "main". */
void kq_contexts_minit(void) { lane_root.common.function_name = zend_string_init_interned("main", strlen("main"), true); }

bool kq_context_init(kq_context *context, void (*main)(void *), void *argument)
{
	memset(context, 0, sizeof(*context));
	context->main = main;
	context->argument = argument;
	return INIT_OK(zend_fiber_init_context(&context->fiber, &context_kind, context_main, stack_size()));
}

void kq_scheduler_here(void)
{
	scheduler_fiber = EG(current_fiber_context);
	base_error_reporting = EG(error_reporting);
}

int kq_base_error_reporting(void) { return base_error_reporting; }

bool kq_in_scheduler(void)
{
	return EG(current_fiber_context) == scheduler_fiber;
}

void kq_context_enter(kq_context *context)
{
	/* Which errors throw is state of the running code, but the engine's switch does not keep it apart. */
	zend_error_handling_t handling = EG(error_handling);
	zend_class_entry *exception_class = EG(exception_class);
	EG(error_handling) = context->started ? context->error_handling : EH_NORMAL;
	EG(exception_class) = context->started ? context->exception_class : NULL;

	zend_fiber_transfer transfer = { .context = context->started ? context->inner : &context->fiber, .flags = 0 };
	ZVAL_NULL(&transfer.value);
	context->started = true;
	zend_fiber_switch_context(&transfer);

	EG(error_handling) = handling;
	EG(exception_class) = exception_class;
}

void kq_context_leave(kq_context *context)
{
	context->inner = EG(current_fiber_context);
	context->error_handling = EG(error_handling);
	context->exception_class = EG(exception_class);
	zend_fiber_transfer transfer = { .context = scheduler_fiber, .flags = 0 };
	ZVAL_NULL(&transfer.value);
	zend_fiber_switch_context(&transfer);
}
