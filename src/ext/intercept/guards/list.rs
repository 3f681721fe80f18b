//! Which of PHP's functions are guarded, and how.

use crate::intercept::signals::Signals;
use crate::state::pairs::Pair;

/// What to do before, after or instead of a function.
pub(super) enum Guard {
    /// Changes this ini setting.
    Ini(&'static str),
    /// The same, also without an argument.
    IniAlways(&'static str),
    /// Changes the ini setting that its first argument names.
    IniNamed,
    /// Changes what this pair tells; only if it is called with an argument.
    Pair(Pair),
    Locale,
    Directory,
    Umask,
    Variable,
    Random,
    Autoloader,
    AutoloaderEnds,
    WrapperEnds,
    /// Changes the ini setting with this beginning that its first argument names.
    IniUnder(&'static str),
    AssertOption,
    /// Changes what this pair tells of its first argument; only if there is a second.
    Keyed(&'static Pair),
    /// No other lane goes on meanwhile.
    Hold,
    /// Refuses high descriptors: `stream_select`, or (true) `socket_select`.
    Select(bool),
    /// Handlers of signals.
    Signal(Signals),
    /// Cannot be had in a lane.
    Refuse(&'static str),
    /// The same if its first argument is null.
    RefuseIfNull(&'static str),
    /// The same unless each lane has this extension's state for itself.
    RefuseUnlessExchanged(&'static str),
    /// The same unless this argument has an element of this name that is true.
    RefuseWithout(u32, &'static str, &'static str),
    /// Opens a connection that outlives the request, always.
    Persistent,
    /// The same if a host begins with "p:", at this place.
    PersistentHost(u32),
    /// The same if this argument has an element of this number that is true.
    PersistentOption(u32, u64),
    /// The same if this argument is true, or has the bit, if one is given.
    PersistentFlag(u32, i64),
    /// The same unless this argument is false.
    AlwaysPersistent(u32),
}

use Guard::{
    AlwaysPersistent, AssertOption, Autoloader, AutoloaderEnds, Directory, Hold, Ini, IniAlways,
    IniNamed, IniUnder, Keyed, Locale, Persistent, PersistentFlag, PersistentHost,
    PersistentOption, Random, Refuse, RefuseIfNull, RefuseUnlessExchanged, RefuseWithout, Select,
    Signal, Umask, Variable, WrapperEnds,
};

const fn pair(name: &'static str) -> Guard {
    Guard::Pair(Pair::plain(name, name))
}

pub(super) const SIGNALS: &str =
    "signals come to the process, and the handler of one job would run in another";
pub(super) const PERSISTENT: &str = "a persistent connection belongs to the process, and all lanes would talk over it at once. Open an ordinary one: a lane keeps its connections from job to job anyway";
const ATTR_PERSISTENT: u64 = 12;
const PROCESS: &str = "it changes the process, and with it what all jobs in it may do";
const SHARED: &str = "it would give two jobs with the same arguments the same connection";
const PRINTS: &str = "its library keeps this once for the process";
const REWRITES: &str =
    "there is one list of them for the process, and other jobs would write them into their output";
const CODE: &str = "it changes code that all jobs in the process run";
const COUNTS: &str = "it would count what all jobs in the process run";

static BINDTEXTDOMAIN: Pair = Pair::with_null("bindtextdomain", "bindtextdomain");
static CODESET: Pair = Pair::with_null("bind_textdomain_codeset", "bind_textdomain_codeset");
static IMAP_TIMEOUT: Pair = Pair::plain("imap_timeout", "imap_timeout");

/// Class ("" for functions), name, guard.
pub(super) static GUARDS: &[(&str, &str, Guard)] = &[
    ("", "ini_set", IniNamed),
    ("", "ini_alter", IniNamed),
    ("", "ini_restore", IniNamed),
    ("", "set_time_limit", Ini("max_execution_time")),
    ("", "error_reporting", Ini("error_reporting")),
    ("", "gc_enable", IniAlways("zend.enable_gc")),
    ("", "gc_disable", IniAlways("zend.enable_gc")),
    ("", "set_include_path", Ini("include_path")),
    ("", "ignore_user_abort", Ini("ignore_user_abort")),
    ("", "bcscale", Ini("bcmath.scale")),
    ("", "locale_set_default", Ini("intl.default_locale")),
    ("locale", "setdefault", Ini("intl.default_locale")),
    (
        "",
        "date_default_timezone_set",
        Guard::Pair(Pair::plain(
            "date_default_timezone_get",
            "date_default_timezone_set",
        )),
    ),
    ("", "mb_internal_encoding", pair("mb_internal_encoding")),
    ("", "mb_regex_encoding", pair("mb_regex_encoding")),
    ("", "mb_http_output", pair("mb_http_output")),
    ("", "mb_language", pair("mb_language")),
    ("", "mb_detect_order", pair("mb_detect_order")),
    (
        "",
        "mb_substitute_character",
        pair("mb_substitute_character"),
    ),
    ("", "mb_regex_set_options", pair("mb_regex_set_options")),
    ("", "setlocale", Locale),
    ("", "chdir", Directory),
    ("", "umask", Umask),
    ("", "putenv", Variable),
    ("", "mt_srand", Random),
    ("", "srand", Random),
    ("", "spl_autoload_register", Autoloader),
    ("", "stream_wrapper_unregister", WrapperEnds),
    ("", "stream_select", Select(false)),
    ("", "socket_select", Select(true)),
    ("", "pcntl_signal", Signal(Signals::Register)),
    ("", "pcntl_signal_get_handler", Signal(Signals::Find)),
    ("", "pcntl_async_signals", pair("pcntl_async_signals")),
    ("", "posix_kill", Signal(Signals::Raise)),
    ("", "pcntl_alarm", Refuse(SIGNALS)),
    ("", "pcntl_sigprocmask", Refuse(SIGNALS)),
    (
        "",
        "pcntl_exec",
        Refuse(
            "it would replace the process, and with it all jobs that run in it. Use proc_open()",
        ),
    ),
    ("", "pfsockopen", Persistent),
    ("", "pg_pconnect", Persistent),
    ("", "odbc_pconnect", Persistent),
    ("", "oci_pconnect", Persistent),
    ("", "dba_popen", Persistent),
    ("", "stream_socket_client", PersistentFlag(5, 1)),
    ("", "mysqli_connect", PersistentHost(1)),
    ("", "mysqli_real_connect", PersistentHost(2)),
    ("mysqli", "__construct", PersistentHost(1)),
    ("mysqli", "connect", PersistentHost(1)),
    ("mysqli", "real_connect", PersistentHost(1)),
    ("pdo", "__construct", PersistentOption(4, ATTR_PERSISTENT)),
    ("pdo", "connect", PersistentOption(4, ATTR_PERSISTENT)),
    ("redis", "pconnect", Persistent),
    ("redis", "popen", Persistent),
    ("rediscluster", "__construct", PersistentFlag(5, 0)),
    ("memcached", "__construct", PersistentFlag(1, 0)),
    // What extensions keep, beyond what is exchanged as a whole (see `modules`).
    ("", "spl_autoload_unregister", AutoloaderEnds),
    (
        "",
        "spl_autoload_extensions",
        pair("spl_autoload_extensions"),
    ),
    ("", "assert_options", AssertOption),
    ("", "iconv_set_encoding", IniUnder("iconv.")),
    (
        "",
        "textdomain",
        Guard::Pair(Pair::with_null("textdomain", "textdomain")),
    ),
    ("", "bindtextdomain", Keyed(&BINDTEXTDOMAIN)),
    ("", "bind_textdomain_codeset", Keyed(&CODESET)),
    ("", "imap_timeout", Keyed(&IMAP_TIMEOUT)),
    ("", "apcu_entry", Hold),
    ("", "array_multisort", Hold),
    ("", "collator_sort", Hold),
    ("", "collator_asort", Hold),
    ("", "collator_sort_with_sort_keys", Hold),
    ("", "msgpack_pack", Hold),
    ("", "msgpack_serialize", Hold),
    ("", "msgpack_unpack", Hold),
    ("", "msgpack_unserialize", Hold),
    ("", "parse_ini_file", Hold),
    ("", "parse_ini_string", Hold),
    ("", "highlight_file", Hold),
    ("", "show_source", Hold),
    ("", "highlight_string", Hold),
    ("", "php_strip_whitespace", Hold),
    ("", "token_get_all", Hold),
    ("", "opcache_compile_file", Hold),
    ("", "mb_ereg_replace_callback", Hold),
    ("phptoken", "tokenize", Hold),
    ("xsltprocessor", "importstylesheet", Hold),
    ("collator", "sort", Hold),
    ("collator", "asort", Hold),
    ("collator", "sortwithsortkeys", Hold),
    ("messagepack", "pack", Hold),
    ("messagepack", "unpack", Hold),
    ("messagepack", "unpacker", Hold),
    ("messagepackunpacker", "execute", Hold),
    ("messagepackunpacker", "data", Hold),
    (
        "",
        "mb_ereg_search_init",
        Refuse("there is one search for the process, and other jobs would go on with it"),
    ),
    (
        "",
        "session_start",
        Refuse("there is one session for the process, and other jobs would be in it"),
    ),
    ("", "output_add_rewrite_var", Refuse(REWRITES)),
    ("", "output_reset_rewrite_vars", Refuse(REWRITES)),
    (
        "",
        "ldap_set_option",
        RefuseIfNull(
            "an option without a connection is one for all jobs. Set it for the connection that ldap_connect() gave",
        ),
    ),
    (
        "mongodb\\driver\\manager",
        "__construct",
        RefuseWithout(
            3,
            "disableClientPersistence",
            "all lanes would share one client. Give it the driver option disableClientPersistence => true (Laravel: driver_options)",
        ),
    ),
    ("soapclient", "__construct", RefuseUnlessExchanged("soap")),
    ("soapserver", "__construct", RefuseUnlessExchanged("soap")),
    ("", "snmp_set_quick_print", Refuse(PRINTS)),
    ("", "snmp_set_enum_print", Refuse(PRINTS)),
    ("", "snmp_set_oid_numeric_print", Refuse(PRINTS)),
    ("", "snmp_set_oid_output_format", Refuse(PRINTS)),
    ("", "snmp_read_mib", Refuse(PRINTS)),
    ("imagick", "setprogressmonitor", Refuse(PRINTS)),
    ("", "libvirt_connect", Refuse(PRINTS)),
    (
        "",
        "odbc_close_all",
        Refuse("it closes the connections of all jobs"),
    ),
    ("", "oci_connect", Refuse(SHARED)),
    ("", "ibase_connect", Refuse(SHARED)),
    ("", "fbird_connect", Refuse(SHARED)),
    ("", "ibase_pconnect", Persistent),
    ("", "fbird_pconnect", Persistent),
    ("", "memcache_pconnect", Persistent),
    ("", "memcache_add_server", AlwaysPersistent(4)),
    ("memcache", "pconnect", Persistent),
    ("memcache", "addserver", AlwaysPersistent(3)),
    ("memcachepool", "addserver", AlwaysPersistent(4)),
    ("amqpconnection", "pconnect", Persistent),
    ("amqpconnection", "preconnect", Persistent),
    ("zmqsocket", "__construct", PersistentFlag(3, 0)),
    ("zmqcontext", "getsocket", PersistentFlag(2, 0)),
    ("", "posix_setuid", Refuse(PROCESS)),
    ("", "posix_seteuid", Refuse(PROCESS)),
    ("", "posix_setgid", Refuse(PROCESS)),
    ("", "posix_setegid", Refuse(PROCESS)),
    ("", "posix_initgroups", Refuse(PROCESS)),
    ("", "pcntl_unshare", Refuse(PROCESS)),
    ("", "pcntl_setns", Refuse(PROCESS)),
    ("", "pcov\\start", Refuse(COUNTS)),
    ("", "tideways_xhprof_enable", Refuse(COUNTS)),
    ("", "pinba_timer_start", Refuse(COUNTS)),
    ("", "uopz_add_function", Refuse(CODE)),
    ("", "uopz_del_function", Refuse(CODE)),
    ("", "uopz_redefine", Refuse(CODE)),
    ("", "uopz_undefine", Refuse(CODE)),
    ("", "uopz_extend", Refuse(CODE)),
    ("", "uopz_implement", Refuse(CODE)),
    ("", "uopz_flags", Refuse(CODE)),
    ("", "uopz_set_return", Refuse(CODE)),
    ("", "uopz_unset_return", Refuse(CODE)),
    ("", "uopz_set_mock", Refuse(CODE)),
    ("", "uopz_unset_mock", Refuse(CODE)),
    ("", "uopz_set_hook", Refuse(CODE)),
    ("", "uopz_unset_hook", Refuse(CODE)),
    ("", "uopz_allow_exit", Refuse(CODE)),
];
