/* Settings: ini values, locale, directory, random numbers, memory limit. */
#include "shim.h"
#include "internal.h"
#include <locale.h>

char *kq_ini(const char *name, size_t length) { return zend_ini_string((char *)name, length, 0); }

zend_ini_entry *kq_ini_entry(zend_string *name) { return zend_hash_find_ptr(EG(ini_directives), name); }

/* A counted copy of a value that was set while the program runs; NULL if it was not. */
zend_string *kq_ini_value(zend_ini_entry *entry)
{
	return entry->modified && entry->value ? zend_string_copy(entry->value) : NULL;
}

void kq_each_modified_ini(void (*each)(void *, zend_ini_entry *), void *argument)
{
	zend_ini_entry *entry;
	if (EG(modified_ini_directives)) {
		ZEND_HASH_FOREACH_PTR(EG(modified_ini_directives), entry) {
			each(argument, entry);
		} ZEND_HASH_FOREACH_END();
	}
}

/* As when a program sets it; a limit below what is in use is only shown. */
void kq_set_memory_limit(zend_string *value)
{
	zend_string *name = zend_string_init(ZEND_STRL("memory_limit"), 0);
	kq_ini_set(kq_ini_entry(name), value, false);
	zend_string_release(name);
}

static ZEND_INI_MH(any_value) { return SUCCESS; }

/* What a value changes beyond itself is left out from now on; gives what did that, to be put back. */
void *kq_ini_quieten(zend_ini_entry *entry)
{
	void *on_modify = (void *)entry->on_modify;
	entry->on_modify = any_value;
	return on_modify;
}

void kq_ini_unquieten(zend_ini_entry *entry, void *on_modify)
{
	entry->on_modify = (__typeof__(entry->on_modify))on_modify;
}

static void ignore_error(ZEND_ATTRIBUTE_UNUSED int type, ZEND_ATTRIBUTE_UNUSED zend_string *file, ZEND_ATTRIBUTE_UNUSED const uint32_t line, ZEND_ATTRIBUTE_UNUSED zend_string *message)
{
}

/* As the engine sets values back at a request's end: settings that refuse changes while a program runs do not do so here. What a
 * setting says of a value (that it is deprecated) was said to the job that set it: here it concerns nobody.
 * Quietly: the value is only what ini_get() shows. */
void kq_ini_set(zend_ini_entry *entry, zend_string *value, bool quietly)
{
	void *on_modify = quietly ? kq_ini_quieten(entry) : (void *)entry->on_modify;
	__typeof__(zend_error_cb) tell = zend_error_cb;
	zval handler;
	zend_error_cb = ignore_error;
	ZVAL_COPY_VALUE(&handler, &EG(user_error_handler));
	ZVAL_UNDEF(&EG(user_error_handler));
	if (value) {
		zend_alter_ini_entry_ex(entry->name, value, ZEND_INI_USER, ZEND_INI_STAGE_DEACTIVATE, true);
	} else {
		zend_restore_ini_entry(entry->name, ZEND_INI_STAGE_DEACTIVATE);
	}
	ZVAL_COPY_VALUE(&EG(user_error_handler), &handler);
	zend_error_cb = tell;
	kq_ini_unquieten(entry, on_modify);
}

/* Whether a limit is not below the one in force. */
bool kq_memory_limit_allows(zend_string *value)
{
	zend_string *error = NULL;
	zend_long limit = zend_ini_parse_quantity(value, &error);
	if (error) {
		zend_string_release(error);
	}
	return limit <= 0 || (PG(memory_limit) > 0 && limit >= PG(memory_limit));
}

void kq_locale_set(const char *locale)
{
	setlocale(LC_ALL, locale);
	const char *ctype = setlocale(LC_CTYPE, NULL);
	release(&BG(ctype_string));
	if (ctype && strcmp(ctype, "C") != 0) {
		BG(ctype_string) = zend_string_init(ctype, strlen(ctype), 0);
	}
	BG(locale_changed) = 1;
	zend_update_current_locale();
}

bool kq_directory_set(const char *directory)
{
	if (VCWD_CHDIR(directory) != 0) {
		return false;
	}
	php_clear_stat_cache(0, NULL, 0);
	return true;
}

#if PHP_VERSION_ID >= 80400
# define MT_STATE (&RANDOM_G(mt19937))
#else
# define MT_STATE ((php_random_status_state_mt19937 *)RANDOM_G(mt19937)->state)
#endif

void kq_random_copy(kq_random *random)
{
	random->seeded = RANDOM_G(mt19937_seeded);
	random->state = *MT_STATE;
}

void kq_random_exchange(kq_random *random)
{
	kq_random kept;
	kq_random_copy(&kept);
	RANDOM_G(mt19937_seeded) = random->seeded;
	*MT_STATE = random->state;
	*random = kept;
}

/* The next number is drawn from a new seed, as in a process that has drawn none. */
void kq_random_forget(void)
{
	RANDOM_G(mt19937_seeded) = false;
	MT_STATE->mode = MT_RAND_MT19937;
	RANDOM_G(combined_lcg_seeded) = false;
#if PHP_VERSION_ID >= 80400
	RANDOM_G(fallback_seed_state).initialized = false;
#endif
}

static size_t whole = SIZE_MAX; /* what all jobs together may have */

void kq_memory_begin(void) { whole = PG(memory_limit) > 0 ? (size_t)PG(memory_limit) : SIZE_MAX; }

/* The allocator counts what it has of the system. */
void kq_memory_room(size_t room)
{
	size_t limit = zend_memory_usage(true) + room;
	zend_set_memory_limit(limit < room || limit > whole ? whole : limit);
}

void kq_memory_whole(void) { zend_set_memory_limit(whole); }

zend_long kq_quantity(zend_string *value)
{
	zend_string *error = NULL;
	zend_long number = zend_ini_parse_quantity(value, &error);
	if (error) {
		zend_string_release(error);
	}
	return number;
}

/* After a fatal error for want of memory the jobs that still run must be able to end. */
void kq_lift_memory_limit(void)
{
	zend_set_memory_limit(whole = SIZE_MAX);
#ifdef ZEND_HAS_OOM
	EG(delayed_oom).state = ZEND_OOM_STATE_NONE; /* else the engine makes no call any more */
#endif
}
