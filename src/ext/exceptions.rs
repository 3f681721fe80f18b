//! KQueue\Exception\*: the one place where a fault of ours becomes a PHP exception.
#![expect(unsafe_code, reason = "class entries are C's")]

use ext_php_rs::exception::PhpException;
use ext_php_rs::zend::ClassEntry;

use crate::zend::sys;

/// What went wrong, and for whom.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Argument,
    Unsupported,
    Engine,
}

impl Fault {
    /// A call or setting that does not make sense.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Argument,
            message: message.into(),
        }
    }

    /// This PHP or system cannot do it.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Unsupported,
            message: message.into(),
        }
    }

    /// The event loop of a run cannot be made.
    pub(crate) fn no_loop(error: std::io::Error) -> Self {
        Self::engine(format!(
            "the event loop cannot start: {error}. Nothing that waits is lost; run again when there are free descriptors (ulimit -n)"
        ))
    }

    /// KQueue could not do its work.
    pub(crate) fn engine(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Engine,
            message: message.into(),
        }
    }
}

impl From<Fault> for PhpException {
    fn from(fault: Fault) -> Self {
        let class = match fault.kind {
            Kind::Argument => "kqueue\\exception\\invalidargument",
            Kind::Unsupported => "kqueue\\exception\\unsupported",
            Kind::Engine => "kqueue\\exception\\engineerror",
        };
        PhpException::new(fault.message, 0, entry(class))
    }
}

/// One of our exception classes, which MINIT registered.
pub(crate) fn entry(lower: &str) -> &'static ClassEntry {
    let class = crate::zend::loaded_class(lower).expect("MINIT registers all exception classes");
    // SAFETY: internal classes live as long as the process; both types are Zend's zend_class_entry.
    unsafe { &*class.cast::<ClassEntry>() }
}

/// Throws into the running lane.
pub(crate) fn throw(lower: &str, message: &str) {
    let text = std::ffi::CString::new(message.replace('\0', "")).expect("NULs were removed");
    let class = crate::zend::loaded_class(lower).expect("MINIT registers all exception classes");
    // SAFETY: on the PHP thread; the message is copied.
    unsafe { sys::kq_throw(class, text.as_ptr()) };
}

/// The exception of a job that has used too much memory: it must not take more than the job has left over.
pub(crate) fn throw_out_of_memory(message: &str) {
    let text = std::ffi::CString::new(message.replace('\0', "")).expect("NULs were removed");
    let class = crate::zend::loaded_class("kqueue\\exception\\outofmemory")
        .expect("MINIT registers all exception classes");
    // SAFETY: on the PHP thread; the message is copied.
    unsafe { sys::kq_throw_short(class, text.as_ptr()) };
}

/// The exception that ends what must end.
pub(crate) fn throw_cancelled(overdue: bool) {
    if overdue {
        throw_timed_out();
    } else {
        throw(
            "kqueue\\exception\\cancelled",
            "another of the callables that run side by side has failed",
        );
    }
}

/// The exception that ends a job at its deadline.
pub(crate) fn throw_timed_out() {
    throw(
        "kqueue\\exception\\jobtimedout",
        "the job has run longer than its timeout allows",
    );
}
