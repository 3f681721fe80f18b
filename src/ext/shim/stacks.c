/*
 * Tells who checks memory where the stacks of lanes and Fibers are: valgrind (else it reads past their ends as it walks them, and
 * dies), or AddressSanitizer in a build with it. Elsewhere this does nothing.
 */
#include "shim.h"
#include "zend_observer.h"
#include <sys/mman.h>
#include <unistd.h>

#ifdef ZEND_CHECK_STACK_LIMIT /* PHP 8.2 does not tell where a stack is */
static uintptr_t lowest(zend_fiber_stack *stack) { return (uintptr_t)zend_fiber_stack_limit(stack) - EG(reserved_stack_size); }
#endif

#if defined(__SANITIZE_ADDRESS__) && defined(ZEND_CHECK_STACK_LIMIT)

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static const void *first_stack; /* the thread's own, which no context describes */
static size_t first_size;

/* PHP is not built with AddressSanitizer, so nothing that runs before the switch itself minds that the stack is said to be another. */
static void stack_entered(zend_fiber_context *from, zend_fiber_context *to)
{
	const void *left = NULL;
	size_t left_size = 0;
	if (to->stack) {
		uintptr_t start = lowest(to->stack);
		__sanitizer_start_switch_fiber(NULL, (void *)start, (uintptr_t)zend_fiber_stack_base(to->stack) - start);
	} else {
		__sanitizer_start_switch_fiber(NULL, first_stack, first_size);
	}
	__sanitizer_finish_switch_fiber(NULL, &left, &left_size);
	if (!from->stack) {
		first_stack = left;
		first_size = left_size;
	}
}

/* A lane that was given up leaves the marks of its frames, and something else will lie there. */
static void stack_gone(zend_fiber_context *context)
{
	uintptr_t start = lowest(context->stack);
	__asan_unpoison_memory_region((void *)start, (uintptr_t)zend_fiber_stack_base(context->stack) - start);
}

void kq_stacks_minit(void)
{
	zend_observer_fiber_switch_register(stack_entered);
	zend_observer_fiber_destroy_register(stack_gone);
}

#elif defined(__x86_64__) && defined(ZEND_CHECK_STACK_LIMIT)

/* The request is what <valgrind/valgrind.h> makes of its macros; building needs no valgrind. */
enum { RUNNING_ON_VALGRIND = 0x1001, STACK_REGISTER = 0x1501, STACK_DEREGISTER = 0x1502 };

/* 0 outside of valgrind: on the processor, the rotations and the exchange change nothing. */
static uintptr_t request(uintptr_t what, uintptr_t first, uintptr_t second)
{
	volatile uintptr_t arguments[6] = { what, first, second };
	uintptr_t result = 0;
	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
		: "=d"(result) : "a"(&arguments[0]), "0"(result) : "cc", "memory");
	return result;
}

static int slot; /* in each fiber context, for the number of its stack */

/*
 * Above each stack lies a page that is not to be read. Else a thread's stack may follow at once, whose guard page is not to be
 * touched either, but valgrind does not know it (since glibc 2.42: MADV_GUARD_INSTALL) and takes the two stacks for one.
 * It stays there when the stack is gone: the next one will lie at the same place.
 */
static void stack_made(zend_fiber_context *context)
{
	uintptr_t end = (uintptr_t)zend_fiber_stack_base(context->stack);
	mmap((void *)end, getpagesize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	context->reserved[slot] = (void *)request(STACK_REGISTER, lowest(context->stack), end - 1);
}

static void stack_gone(zend_fiber_context *context)
{
	request(STACK_DEREGISTER, (uintptr_t)context->reserved[slot], 0);
}

void kq_stacks_minit(void)
{
	if (request(RUNNING_ON_VALGRIND, 0, 0)) {
		slot = zend_get_resource_handle("KQueue");
		zend_observer_fiber_init_register(stack_made);
		zend_observer_fiber_destroy_register(stack_gone);
	}
}

#else

void kq_stacks_minit(void) {}

#endif
