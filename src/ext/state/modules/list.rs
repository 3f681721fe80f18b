//! What is decided about each known extension, from reading what it keeps in globals and in C statics. docs/extensions.md shows the
//! outcome of trying them; an extension that is not here is named when a run starts, if it has globals.

use std::ffi::CStr;
use std::ops::Range;

/// What becomes of an extension's state in lanes.
pub(crate) enum Verdict {
    /// Each lane has its own.
    Exchanged(Exchange),
    /// It has none that one job could see of another, for this reason.
    Harmless(&'static str),
    /// Some of it is each lane's, by other parts of KQueue; the rest is named.
    ByParts(&'static str),
    /// What would be seen by other jobs is refused in lanes.
    Refused(&'static str),
}

/// How it is exchanged.
pub(crate) struct Exchange {
    pub(crate) what: &'static str,
    pub(crate) fields: &'static [Field],
    pub(crate) begins: Begins,
    pub(crate) ends: Ends,
}

/// Which of an extension's globals.
pub(crate) enum Field {
    /// All but what ini settings write to.
    All,
    /// These bytes, if the globals have this size.
    At { size: usize, at: Range<usize> },
    /// These bytes, if this setting's field lies there: the size is not known.
    From {
        setting: &'static str,
        lies: usize,
        at: Range<usize>,
    },
    /// So many bytes from the field of this setting on.
    Beside {
        setting: &'static str,
        by: isize,
        length: usize,
    },
}

/// What a new lane has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// What a request begins with: anything else belongs to something that is open.
    AsRequest,
    /// What the process has: plain values.
    AsProcess,
    /// The first, with the process's mode of reporting errors in the last field that is no setting's.
    WithReports,
    /// The first, with the process's entity loader, stream context and mode of reporting errors.
    WithLoader,
}

/// How what a lane has of it is freed at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It holds nothing.
    Nothing,
    /// As at a request's end, which touches nothing but the globals; then a request begins.
    AsRequest,
    /// The same; libxml2 has variables of its own besides.
    Libxml,
    /// Each word is null or comes from malloc().
    Malloc,
    /// What a parser of dates has found.
    Date,
}

/// libxml2's variables for each thread: functions that give their addresses, and their sizes.
pub(crate) const LIBXML_PLACES: &[(&CStr, usize)] = &[
    (c"__xmlStructuredError", 8),
    (c"__xmlStructuredErrorContext", 8),
    (c"__xmlLastError", 88),
];

/// The size of mysqli's mode of reporting errors.
pub(crate) const REPORT_MODE: usize = 8;

const fn all(what: &'static str, ends: Ends) -> Verdict {
    Verdict::Exchanged(Exchange {
        what,
        fields: &[Field::All],
        begins: Begins::AsRequest,
        ends,
    })
}

const fn some(what: &'static str, fields: &'static [Field], ends: Ends) -> Verdict {
    Verdict::Exchanged(Exchange {
        what,
        fields,
        begins: Begins::AsRequest,
        ends,
    })
}

const fn starting(what: &'static str, begins: Begins, ends: Ends) -> Verdict {
    Verdict::Exchanged(Exchange {
        what,
        fields: &[Field::All],
        begins,
        ends,
    })
}

use Verdict::{ByParts, Harmless, Refused};

const OBJECTS: &str = "its state is in its objects and handles";
const NOTHING: &str = "it keeps nothing between two calls";
const CONSTANT: &str = "what it keeps is written once, or is settings, which lanes exchange";
const CACHE: &str = "it is a cache, the same for all";

/// Soap does not tell PHP of its globals: the layouts of PHP 8.2 and 8.3, then of 8.4, held against a setting's place. In another one
/// SoapClient and SoapServer are refused. The cache of WSDL files in memory and the tables of encodings stay the process's.
const SOAP: &[Field] = &[
    soap(232, 168..224),
    soap(232, 264..284),
    soap(232, 344..360),
    soap(224, 168..217),
    soap(224, 256..276),
    soap(224, 336..356),
];

const fn soap(lies: usize, at: Range<usize>) -> Field {
    Field::From {
        setting: "soap.wsdl_cache_dir",
        lies,
        at,
    }
}

/// Neither does msgpack.
const MSGPACK: &[Field] = &[Field::From {
    setting: "msgpack.use_str8_serialization",
    lies: 4,
    at: 8..20,
}];

/// By name, in lower case.
static LIST: &[(&str, Verdict)] = &[
    // Parts of PHP itself.
    (
        "core",
        ByParts(
            "output buffers, handlers, errors and settings are exchanged; classes, functions, constants and files are the process's",
        ),
    ),
    (
        "standard",
        ByParts(
            "see docs/isolation.md; stream filters, openlog(), header() and user ids are the process's",
        ),
    ),
    (
        "spl",
        ByParts("autoload extensions, and autoloaders where a lane has removed one, are exchanged"),
    ),
    ("session", Refused("session_start()")),
    (
        "random",
        ByParts("the seed is exchanged; who does not seed draws from the process's numbers"),
    ),
    (
        "date",
        some(
            "date_get_last_errors(); the time zone is a setting",
            &[Field::At {
                size: 32,
                at: 24..32,
            }],
            Ends::Date,
        ),
    ),
    (
        "json",
        some(
            "depth of what is being encoded",
            &[Field::At { size: 12, at: 0..8 }],
            Ends::Nothing,
        ),
    ),
    (
        "pcre",
        some(
            "preg_last_error()",
            &[Field::Beside {
                setting: "pcre.recursion_limit",
                by: 12,
                length: 4,
            }],
            Ends::Nothing,
        ),
    ),
    (
        "libxml",
        starting(
            "errors, entity loader, stream context",
            Begins::WithLoader,
            Ends::Libxml,
        ),
    ),
    (
        "posix",
        starting("posix_errno()", Begins::AsProcess, Ends::Nothing),
    ),
    ("sockets", all("socket_last_error()", Ends::AsRequest)),
    (
        "pcntl",
        some(
            "pcntl_errno(); signals are refused",
            &[Field::At {
                size: 104,
                at: 88..92,
            }],
            Ends::Nothing,
        ),
    ),
    (
        "intl",
        all("the last error, the collator that sorts", Ends::AsRequest),
    ),
    ("gmp", all("the seed", Ends::AsRequest)),
    ("openssl", all("openssl_error_string()", Ends::Malloc)),
    (
        "mysqli",
        starting(
            "mysqli_report(), errors of connecting, counts",
            Begins::WithReports,
            Ends::AsRequest,
        ),
    ),
    (
        "pgsql",
        all(
            "the default connection, connections that pg_connect() would share",
            Ends::AsRequest,
        ),
    ),
    ("odbc", all("the last error, counts", Ends::Nothing)),
    (
        "pdo_dblib",
        all("the last error of connecting", Ends::AsRequest),
    ),
    (
        "soap",
        some(
            "class map, type map, encoding and versions of the call under way",
            SOAP,
            Ends::AsRequest,
        ),
    ),
    (
        "imap",
        all(
            "user, password, errors, alerts and lists of the call under way",
            Ends::AsRequest,
        ),
    ),
    ("zlib", all("ob_gzhandler()", Ends::Nothing)),
    (
        "mbstring",
        ByParts("encodings are exchanged; mb_ereg_search_init() is refused"),
    ),
    ("ctype", Harmless(NOTHING)),
    ("tokenizer", Harmless(NOTHING)),
    ("hash", Harmless(OBJECTS)),
    ("sodium", Harmless(NOTHING)),
    ("reflection", Harmless(CONSTANT)),
    ("filter", Harmless("it keeps the input of web requests")),
    ("bcmath", Harmless(CONSTANT)),
    ("calendar", Harmless(NOTHING)),
    ("bz2", Harmless(OBJECTS)),
    ("curl", Harmless(OBJECTS)),
    (
        "dba",
        Harmless("persistent ones are refused; the rest is in its handles"),
    ),
    ("dom", Harmless(OBJECTS)),
    ("enchant", Harmless(OBJECTS)),
    ("exif", Harmless(CACHE)),
    ("ffi", ByParts("what C libraries keep is the process's")),
    ("fileinfo", Harmless(OBJECTS)),
    ("ftp", Harmless(OBJECTS)),
    ("gd", Harmless("it caches fonts")),
    (
        "gettext",
        ByParts("domains and where they lie are exchanged"),
    ),
    (
        "iconv",
        ByParts("encodings are settings, which lanes exchange"),
    ),
    (
        "ldap",
        Refused("ldap_set_option() without a connection; the rest is in its connections"),
    ),
    (
        "mysqlnd",
        Harmless("its counts of work done are the process's"),
    ),
    (
        "pdo",
        Harmless("persistent connections are refused; the rest is in its objects"),
    ),
    ("pdo_mysql", Harmless(OBJECTS)),
    ("pdo_pgsql", Harmless(OBJECTS)),
    ("pdo_sqlite", Harmless(OBJECTS)),
    ("pdo_odbc", Harmless(OBJECTS)),
    ("pdo_firebird", Harmless(OBJECTS)),
    (
        "phar",
        ByParts("archives that are open are the process's, by path"),
    ),
    ("pspell", Harmless(OBJECTS)),
    ("readline", ByParts("the terminal is the process's")),
    ("shmop", Harmless("the system's memory")),
    ("simplexml", Harmless(OBJECTS)),
    (
        "snmp",
        starting(
            "snmp_set_valueretrieval(); functions that set how all values are printed are refused",
            Begins::AsProcess,
            Ends::Nothing,
        ),
    ),
    ("sqlite3", Harmless(OBJECTS)),
    ("sysvmsg", Harmless("the system's queues")),
    ("sysvsem", Harmless("the system's semaphores")),
    ("sysvshm", Harmless("the system's memory")),
    ("tidy", Harmless(OBJECTS)),
    ("xml", Harmless(OBJECTS)),
    ("xmlreader", Harmless(OBJECTS)),
    ("xmlwriter", Harmless(OBJECTS)),
    ("xsl", Harmless(OBJECTS)),
    ("zip", Harmless(OBJECTS)),
    ("zend opcache", Harmless(CACHE)),
    ("lexbor", Harmless(NOTHING)),
    ("uri", Harmless(OBJECTS)),
    ("kqueue", Harmless("this extension")),
    // Others.
    (
        "amqp",
        all(
            "the last error; persistent connections are refused",
            Ends::AsRequest,
        ),
    ),
    (
        "apcu",
        ByParts("memory that all processes share; no other lane goes on during apcu_entry()"),
    ),
    ("ast", Harmless(CACHE)),
    ("decimal", Harmless(OBJECTS)),
    ("ds", Harmless(OBJECTS)),
    ("excimer", Harmless(OBJECTS)),
    ("gearman", Harmless(OBJECTS)),
    (
        "gmagick",
        ByParts("limits of its library are the process's"),
    ),
    ("gnupg", Harmless(OBJECTS)),
    (
        "http",
        Harmless("what it keeps is of web requests; the rest is in its objects"),
    ),
    ("igbinary", Harmless(CONSTANT)),
    (
        "imagick",
        ByParts("limits of its library are the process's; setProgressMonitor() is refused"),
    ),
    (
        "libvirt",
        Refused("libvirt_connect(): it keeps a list of connections and the last error"),
    ),
    ("mailparse", Harmless(CONSTANT)),
    ("maxminddb", Harmless(OBJECTS)),
    ("mcrypt", Harmless(CONSTANT)),
    (
        "memcache",
        Harmless("persistent connections are refused; the rest is in its objects"),
    ),
    (
        "memcached",
        Harmless("persistent connections are refused; the rest is in its objects"),
    ),
    (
        "mongodb",
        Refused(
            "clients that are shared, which is its default: see the option disableClientPersistence",
        ),
    ),
    (
        "msgpack",
        some("what is being packed", MSGPACK, Ends::Nothing),
    ),
    ("oauth", Harmless(OBJECTS)),
    (
        "pcov",
        Refused("pcov\\start(): it counts what all lanes run"),
    ),
    (
        "pinba",
        Refused("its timers and its request are the process's"),
    ),
    (
        "pq",
        Harmless(
            "persistent connections are lent to one object at a time; the rest is in its objects",
        ),
    ),
    ("ps", Harmless(OBJECTS)),
    ("psr", Harmless(NOTHING)),
    (
        "raphf",
        Harmless("it lends a handle to one object at a time"),
    ),
    (
        "redis",
        Harmless("persistent connections are refused; the rest is in its objects"),
    ),
    ("rrd", ByParts("rrd_error(): ask right after the call")),
    (
        "solr",
        Harmless("it numbers documents; what they hold belongs to its objects"),
    ),
    ("ssh2", Harmless(OBJECTS)),
    (
        "stomp",
        all("the last error of connecting", Ends::AsRequest),
    ),
    (
        "tideways_xhprof",
        Refused("tideways_xhprof_enable(): it counts what all lanes run"),
    ),
    (
        "uopz",
        Refused("its functions change code that all lanes run"),
    ),
    (
        "uploadprogress",
        Harmless("it watches uploads of web requests"),
    ),
    ("uuid", Harmless(NOTHING)),
    ("xdebug", Refused("a run does not start while it debugs")),
    ("xmlrpc", Harmless(OBJECTS)),
    ("yac", Harmless("memory that all processes share")),
    (
        "yaml",
        all("the decoder of the call under way", Ends::Nothing),
    ),
    (
        "zmq",
        Harmless("sockets that would be shared are refused; the rest is in its objects"),
    ),
];

/// Returns what is decided about an extension. None: nothing.
pub(crate) fn of(name: &str) -> Option<(&'static str, &'static Verdict)> {
    LIST.iter()
        .find(|(known, _)| *known == name)
        .map(|(known, verdict)| (*known, verdict))
}
