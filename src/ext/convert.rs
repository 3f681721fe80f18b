//! Between Zend's values and ours: the only walk over arrays that callers gave, and the only maker of arrays for them.
#![expect(unsafe_code, reason = "builds and reads Zend arrays and objects")]

use ext_php_rs::boxed::ZBox;
use ext_php_rs::types::{ZendHashTable, Zval};

use crate::exceptions::Fault;
use crate::zend::{self, Owned, Value, sys};

/// Whether an object is of the class of this lower-case name.
pub(crate) fn is_a(object: &Owned, lower: &str) -> bool {
    let Some(class) = zend::loaded_class(lower) else {
        return false;
    };
    // SAFETY: callers pass objects.
    unsafe { sys::kq_is_instance((*zend::object_of(object.as_ptr())).ce, class) }
}

/// A counted copy of a value that PHP code passed in.
pub(crate) fn own(value: &Zval) -> Owned {
    Owned::copy(std::ptr::from_ref(value).cast())
}

/// `[$object, 'name']`.
pub(crate) fn method_callable(object: &Owned, name: &str) -> Owned {
    list(&[object.borrowed(), zend::string(name.as_bytes()).borrowed()])
}

/// A list with counted copies of these values.
pub(crate) fn list(values: &[Value]) -> Owned {
    let mut holder = zend::undef();
    // SAFETY: a new array, which the holder owns; each value is copied with a count.
    unsafe {
        let array = sys::kq_new_array(values.len() as u32);
        zend::set_array(&raw mut holder, array);
        for value in values {
            let mut copy = Owned::copy(value).into_raw();
            sys::zend_hash_next_index_insert(array, &raw mut copy);
        }
    }
    Owned::from_raw(holder)
}

/// The pending exception as a list that can be serialized: 0, class, message, file, line, trace.
pub(crate) fn list_of_exception() -> Owned {
    let Some(exception) = zend::take_exception() else {
        return list(&[zend::long(0)]);
    };
    let object = zend::object_of(exception.as_ptr());
    // SAFETY: a live exception.
    let class = unsafe { (*object).ce };
    let get = |name: &str| zend::call_method(Some(object), class, name, &mut []).1;
    let name = zend::string(zend::class_name(class).as_bytes());
    list(&[
        zend::long(0),
        name.borrowed(),
        get("getmessage").borrowed(),
        get("getfile").borrowed(),
        get("getline").borrowed(),
        get("gettraceasstring").borrowed(),
    ])
}

/// What a child's handler says.
pub(crate) enum ReplyParts {
    /// The job's result.
    Result(Owned),
    /// What it threw.
    Remote {
        class: String,
        message: String,
        file: String,
        line: i64,
        trace: String,
    },
}

/// Reads a child's list.
pub(crate) fn reply_parts(parts: &Owned) -> Option<ReplyParts> {
    let array = parts.as_zval().array()?;
    let text = |index| {
        array
            .get_index(index)
            .and_then(Zval::string)
            .unwrap_or_default()
    };
    match array.get_index(0)?.long()? {
        1 => Some(ReplyParts::Result(own(array.get_index(1)?))),
        0 => Some(ReplyParts::Remote {
            class: text(1),
            message: text(2),
            file: text(3),
            line: array.get_index(4).and_then(Zval::long).unwrap_or_default(),
            trace: text(5),
        }),
        _ => None,
    }
}

/// A RemoteException that tells of a throwable in a child.
pub(crate) fn remote_exception(
    class: &str,
    message: &str,
    file: &str,
    line: i64,
    trace: &str,
) -> Option<Owned> {
    let scope = zend::loaded_class("kqueue\\exception\\remoteexception")?;
    crate::exceptions::throw(
        "kqueue\\exception\\remoteexception",
        &format!("{class}: {message}"),
    );
    let exception = zend::take_exception()?;
    let object = zend::object_of(exception.as_ptr());
    for (name, value) in [
        (c"class", zend::string(class.as_bytes())),
        (c"remoteTrace", zend::string(trace.as_bytes())),
        (c"file", zend::string(file.as_bytes())),
        (c"line", Owned::from_raw(zend::long(line))),
    ] {
        // SAFETY: declared properties of the class or of Exception; the shim copies the value.
        unsafe {
            sys::kq_set_property(
                object,
                scope,
                name.as_ptr(),
                name.count_bytes(),
                value.as_ptr(),
            )
        };
    }
    Some(exception)
}

/// One integer option.
pub(crate) fn integer(options: &ZendHashTable, name: &str, default: i64) -> Result<i64, Fault> {
    match options.get(name) {
        None => Ok(default),
        Some(value) if value.is_null() => Ok(default),
        Some(value) => value
            .long()
            .ok_or_else(|| Fault::argument(format!("option \"{name}\" must be an integer"))),
    }
}

/// One option in seconds.
pub(crate) fn seconds(options: &ZendHashTable, name: &str, default: f64) -> Result<f64, Fault> {
    match options.get(name) {
        None => Ok(default),
        Some(value) if value.is_null() => Ok(default),
        Some(value) => number(value).ok_or_else(|| {
            Fault::argument(format!("option \"{name}\" must be a number of seconds"))
        }),
    }
}

/// An integer or float as a float.
pub(crate) fn number(value: &Zval) -> Option<f64> {
    value
        .double()
        .or_else(|| value.long().map(|number| number as f64))
}

/// One text of an array.
pub(crate) fn text(array: &ZendHashTable, name: &str) -> String {
    array
        .get(name)
        .and_then(|value| {
            value
                .string()
                .or_else(|| value.long().map(|number| number.to_string()))
        })
        .unwrap_or_default()
}

/// An array of texts.
pub(crate) fn texts(array: &ZendHashTable) -> Vec<String> {
    array.values().filter_map(Zval::string).collect()
}

/// A map for PHP, built entry by entry.
pub(crate) struct Map(ZBox<ZendHashTable>);

impl Map {
    /// Empty.
    pub(crate) fn new() -> Self {
        Self(ZendHashTable::new())
    }

    /// Adds an integer.
    pub(crate) fn long(mut self, key: &str, value: impl TryInto<i64>) -> Self {
        let _ = self.0.insert(key, value.try_into().unwrap_or(i64::MAX));
        self
    }

    /// Adds a value of any kind that ext-php-rs converts.
    pub(crate) fn put(mut self, key: &str, value: impl ext_php_rs::convert::IntoZval) -> Self {
        let _ = self.0.insert(key, value);
        self
    }

    /// Adds another.
    pub(crate) fn map(mut self, key: &str, value: Self) -> Self {
        let _ = self.0.insert(key, value.0);
        self
    }

    /// The array.
    pub(crate) fn done(self) -> ZBox<ZendHashTable> {
        self.0
    }
}
