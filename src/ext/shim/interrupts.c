/* The engine's hooks: interrupts, and where a lane must not be suspended. */
#include "shim.h"

static void (*interrupt_handler)(bool, bool) = NULL;
static void (*next_interrupt)(zend_execute_data *) = NULL;
static int blocks = 0; /* regions in which a lane must not be suspended */
static int (*engine_gc)(void) = NULL;
static zend_class_entry *(*engine_autoload)(zend_string *, zend_string *) = NULL;

/* The engine finds out from the next operation how many arguments of a call have been passed, as if that had thrown: before one that
 * passes another, or calls, it would free an argument that is not there. */
static bool may_throw_at(const zend_op *opline)
{
	switch (opline->opcode) {
		case ZEND_SEND_VAL:
		case ZEND_SEND_VAL_EX:
		case ZEND_SEND_VAR:
		case ZEND_SEND_VAR_EX:
		case ZEND_SEND_REF:
		case ZEND_SEND_VAR_NO_REF:
		case ZEND_SEND_VAR_NO_REF_EX:
		case ZEND_SEND_FUNC_ARG:
		case ZEND_SEND_USER:
		case ZEND_SEND_ARRAY:
		case ZEND_SEND_UNPACK:
		case ZEND_CHECK_UNDEF_ARGS:
		case ZEND_DO_FCALL:
		case ZEND_DO_ICALL:
		case ZEND_DO_UCALL:
		case ZEND_DO_FCALL_BY_NAME:
			return false;
		default:
			return true;
	}
}

static bool may_throw_before(const zend_execute_data *frame)
{
	return !frame->func || !ZEND_USER_CODE(frame->func->type) || may_throw_at(frame->opline);
}

static bool is_call(const zend_op *opline)
{
	return opline->opcode == ZEND_DO_FCALL || opline->opcode == ZEND_DO_ICALL || opline->opcode == ZEND_DO_FCALL_BY_NAME;
}

#if PHP_VERSION_ID < 80400

static bool is_of(zend_uchar type, znode_op operand, uint32_t variable)
{
	return (type & (IS_TMP_VAR | IS_VAR)) && operand.var == variable;
}

/* Frees what an operation would have taken, unless a later one takes it too: that the engine frees. */
static void drop_taken(zend_execute_data *frame, uint32_t number, zend_uchar type, znode_op operand)
{
	if (!(type & (IS_TMP_VAR | IS_VAR))) {
		return;
	}
	const zend_op_array *code = &frame->func->op_array;
	for (int i = 0; i < code->last_live_range; i++) {
		const zend_live_range *range = &code->live_range[i];
		if (range->start <= number && number < range->end && (range->var & ~ZEND_LIVE_MASK) == operand.var) {
			return;
		}
	}
	zval value;
	ZVAL_COPY_VALUE(&value, ZEND_CALL_VAR(frame, operand.var));
	ZVAL_UNDEF(ZEND_CALL_VAR(frame, operand.var));
	zval_ptr_dtor(&value);
}

/* Of other operations the first operand may be a class, or a place. */
static bool takes_two_values(const zend_op *opline)
{
	return (opline->opcode >= ZEND_ADD && opline->opcode <= ZEND_POW) || opline->opcode == ZEND_FAST_CONCAT
		|| (opline->opcode >= ZEND_BOOL_XOR && opline->opcode <= ZEND_IS_SMALLER_OR_EQUAL) || opline->opcode == ZEND_SPACESHIP
		|| opline->opcode == ZEND_FETCH_DIM_R || opline->opcode == ZEND_FETCH_DIM_IS;
}

static bool passes_argument(const zend_op *opline)
{
	return !may_throw_at(opline) && opline->opcode != ZEND_CHECK_UNDEF_ARGS && opline->opcode != ZEND_DO_UCALL && !is_call(opline);
}

/* The argument that the engine takes for passed, and frees. */
static void pass_nothing(zend_execute_data *frame, const zend_op *opline)
{
	/* Of what is unpacked, and of what has a name, the frame of the call knows how much has been passed. */
	if (opline->opcode != ZEND_SEND_UNPACK && opline->opcode != ZEND_SEND_ARRAY && opline->op2_type != IS_CONST) {
		ZVAL_UNDEF(ZEND_CALL_VAR(frame->call, opline->result.var));
	}
}

/*
 * What the next operation would have done for the engine, if an exception came before it: after a call it takes the result, or ends
 * the @ in front of it. The engine takes that for done. Before PHP 8.4 an interrupt during a call of C code is served there.
 */
static void finish_call_before(zend_execute_data *frame, const zend_op *next)
{
	const zend_op_array *code = &frame->func->op_array;
	uint32_t number = next - code->opcodes;
	if (passes_argument(next)) {
		pass_nothing(frame, next);
		drop_taken(frame, number, next->op1_type, next->op1);
		return;
	}
	if (next->opcode == ZEND_END_SILENCE) {
		zend_long level = Z_LVAL_P(ZEND_CALL_VAR(frame, next->op1.var));
		if (E_HAS_ONLY_FATAL_ERRORS(EG(error_reporting)) && !E_HAS_ONLY_FATAL_ERRORS(level)) {
			EG(error_reporting) = (int)level;
		}
		return;
	}
	const zend_op *data = number + 1 < code->last && next[1].opcode == ZEND_OP_DATA ? next + 1 : NULL;
	bool first = is_of(next->op1_type, next->op1, next[-1].result.var), second = is_of(next->op2_type, next->op2, next[-1].result.var);
	if (!(next[-1].result_type & (IS_TMP_VAR | IS_VAR))) {
		return;
	}
	if (second && next->opcode == ZEND_ROPE_END) {
		zend_string **parts = (zend_string **)ZEND_CALL_VAR(frame, next->op1.var);
		for (uint32_t i = 0; i < next->extended_value; i++) {
			zend_string_release(parts[i]);
		}
	}
	if (first || (second && takes_two_values(next))) {
		drop_taken(frame, number, next->op1_type, next->op1);
	}
	if (second || (first && takes_two_values(next))) {
		drop_taken(frame, number, next->op2_type, next->op2);
	}
	if (data && is_of(data->op1_type, data->op1, next[-1].result.var)) {
		drop_taken(frame, number, data->op1_type, data->op1);
	}
}

/* Whether a call of C code has just ended, and nobody has taken its result. */
static bool after_call(const zend_execute_data *frame)
{
	return frame->func && ZEND_USER_CODE(frame->func->type) && frame->opline > frame->func->op_array.opcodes && is_call(frame->opline - 1);
}

#endif

static void on_interrupt(zend_execute_data *frame)
{
	if (next_interrupt) {
		next_interrupt(frame);
	}
	if (interrupt_handler) {
		/* One that is on its way to its catch is not to be replaced: a job would catch it as what it has thrown itself. */
		bool pending = EG(exception) != NULL;
#if PHP_VERSION_ID < 80400
		const zend_op *next = after_call(frame) ? frame->opline : NULL;
#else
		const zend_op *next = NULL;
#endif
		interrupt_handler(!pending && may_throw_before(frame), !pending && next);
#if PHP_VERSION_ID < 80400
		if (next && EG(exception) && !pending) {
			finish_call_before(frame, next);
		}
#endif
	}
}

/*
 * The PHP code that is running, the innermost first. An interrupt that came during a call of C code is served after it, when the
 * opcode that comes next is current already: the call is the one before.
 */
uint32_t kq_places(kq_place *places, uint32_t most)
{
	uint32_t count = 0;
	for (zend_execute_data *frame = EG(current_execute_data); frame && count < most; frame = frame->prev_execute_data) {
		if (!frame->func || !ZEND_USER_CODE(frame->func->type)) {
			continue;
		}
		const zend_op *opline = frame->opline;
		if (opline->opcode == ZEND_HANDLE_EXCEPTION && EG(opline_before_exception)) {
			opline = EG(opline_before_exception);
		}
		if (frame == EG(current_execute_data) && opline > frame->func->op_array.opcodes && is_call(opline - 1)) {
			opline--;
		}
		places[count++] = (kq_place){ frame->func->op_array.filename, opline->lineno };
	}
	return count;
}

/* In MINIT, since the JIT compiles in whether there is a handler. */
void kq_minit(void)
{
	next_interrupt = zend_interrupt_function;
	zend_interrupt_function = on_interrupt;
	kq_stacks_minit();
	kq_contexts_minit();
}

void kq_set_interrupt(void (*handler)(bool, bool)) { interrupt_handler = handler; }

void kq_request_interrupt(void)
{
#if PHP_VERSION_ID >= 80300 || defined(ZEND_ATOMIC_H)
	zend_atomic_bool_store(&EG(vm_interrupt), true);
#else
	EG(vm_interrupt) = 1;
#endif
}

/* Other lanes would run with the collector locked. */
static int collect_without_switch(void)
{
	blocks++;
	int collected = engine_gc();
	blocks--;
	return collected;
}

/* Another lane would see the class as "being loaded" and fail. */
static zend_class_entry *autoload_without_switch(zend_string *name, zend_string *lower)
{
	kq_load load = kq_load_begins();
	blocks++;
	zend_class_entry *found = engine_autoload(name, lower);
	blocks--;
	/* A class that is not found is looked for again. */
	if (found) {
		kq_load_ends(&load);
	}
	return found;
}

void kq_runner_hooks(bool on)
{
	kq_loading_hooks(on);
	kq_midway_hooks(on);
	if (on && !engine_gc) {
		engine_gc = gc_collect_cycles;
		gc_collect_cycles = collect_without_switch;
		if (zend_autoload) {
			engine_autoload = zend_autoload;
			zend_autoload = autoload_without_switch;
		}
	} else if (!on && engine_gc) {
		gc_collect_cycles = engine_gc;
		engine_gc = NULL;
		if (engine_autoload) {
			zend_autoload = engine_autoload;
			engine_autoload = NULL;
		}
	}
}

bool kq_switch_blocked(void) { return blocks > 0 || zend_fiber_switch_blocked(); }
void kq_enter_block(void) { blocks++; }
void kq_leave_block(void) { blocks--; }
void kq_reset_blocks(void) { blocks = 0; }

/* For the scheduler's context, where nobody catches what a destructor throws. False: a fatal error in one. */
bool kq_collect_cycles(void)
{
	volatile bool collected = false;
	zend_try {
		gc_collect_cycles();
		if (EG(exception)) {
			zend_clear_exception();
		}
		collected = true;
	} zend_end_try();
	return collected;
}
