//! KQueue\concurrently(): callables side by side within one job. Outside of lanes they run one after another.
#![expect(unsafe_code, reason = "reads and builds Zend arrays")]

use ext_php_rs::boxed::ZBox;
use ext_php_rs::exception::PhpResult;
use ext_php_rs::types::ZendHashTable;

use crate::exceptions::{self, Fault};
use crate::lane;
use crate::lane::concurrent::{self, Failure, HelperGroup};
use crate::session::with_desk;
use crate::zend::{self, Ending, Owned, sys};

/// A key of the caller's array.
enum Key {
    Number(u64),
    Text(Owned),
}

/// The function, behind its declaration in lib.rs.
pub(crate) fn run(callables: &ZendHashTable, limit: Option<i64>) -> PhpResult<ZBox<ZendHashTable>> {
    let limit = match limit {
        None => usize::MAX,
        Some(limit @ 1..) => limit as usize,
        Some(limit) => {
            return Err(Fault::argument(format!("limit must be at least 1, not {limit}")).into());
        }
    };
    let (keys, closures) = closures_of(callables)?;
    let results = if closures.len() > 1 && concurrent::possible() {
        let group = HelperGroup::new(closures, limit);
        let outcome = group.run_all();
        drop(group);
        match outcome {
            Ok(results) => results,
            Err(failure) => {
                drop(keys);
                fail(failure);
                return Ok(ZendHashTable::new());
            }
        }
    } else {
        match one_after_another(closures) {
            Some(results) => results,
            None => return Ok(ZendHashTable::new()),
        }
    };
    if results.iter().any(Option::is_none) {
        // Some had not begun when this lane was cancelled.
        let overdue = lane::current()
            .and_then(|lane| with_desk(|desk| desk.is_overdue(lane)))
            .unwrap_or_default();
        exceptions::throw_cancelled(overdue);
        return Ok(ZendHashTable::new());
    }
    Ok(array(keys, results.into_iter().flatten()))
}

fn closures_of(callables: &ZendHashTable) -> Result<(Vec<Key>, Vec<Owned>), Fault> {
    let (mut keys, mut closures, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for entry in zend::entries(std::ptr::from_ref(callables).cast()) {
        let key = if entry.key.is_null() {
            Key::Number(entry.index)
        } else {
            Key::Text(zend::string(zend::text(entry.key)))
        };
        match closure_of(entry.value) {
            Some(closure) => closures.push(closure),
            None => wrong.push(match &key {
                Key::Number(number) => (*number as i64).to_string(),
                Key::Text(text) => format!(
                    "\"{}\"",
                    String::from_utf8_lossy(&zend::bytes(text).unwrap_or_default())
                ),
            }),
        }
        keys.push(key);
    }
    if wrong.is_empty() {
        return Ok((keys, closures));
    }
    Err(Fault::argument(format!(
        "concurrently() takes callables only; not callable: {}",
        wrong.join(", ")
    )))
}

fn closure_of(callable: *mut zend::Value) -> Option<Owned> {
    let mut closure = zend::undef();
    // SAFETY: a value of the caller's array, which lives meanwhile.
    let ending = unsafe { sys::kq_closure_of(callable, &raw mut closure) };
    let closure = Owned::from_raw(closure);
    if Ending::from(ending) == Ending::Returned {
        return Some(closure);
    }
    zend::take_exception();
    None
}

/// None: what ended it is under way.
fn one_after_another(closures: Vec<Owned>) -> Option<Vec<Option<Owned>>> {
    let mut results = Vec::with_capacity(closures.len());
    for closure in &closures {
        let (ending, result) = zend::call(closure.as_ptr(), &mut []);
        match ending {
            Ending::Returned => results.push(Some(result)),
            Ending::Threw | Ending::Exited => return None,
            Ending::BailedOut => {
                drop((results, result));
                drop(closures);
                zend::bailout();
            }
        }
    }
    Some(results)
}

/// The whole group is gone by now: a fatal error jumps away from here.
fn fail(failure: Failure) {
    match failure {
        Failure::Threw(exception) => zend::throw_object(exception),
        Failure::Exited => zend::throw_exit(),
        Failure::Fatal => zend::bailout(),
    }
}

fn array(keys: Vec<Key>, values: impl Iterator<Item = Owned>) -> ZBox<ZendHashTable> {
    // SAFETY: a new array; the values' counts pass over to it, and the keys take counts of their own.
    unsafe {
        let array = sys::kq_new_array(keys.len() as u32);
        for (key, value) in keys.into_iter().zip(values) {
            let mut value = value.into_raw();
            match key {
                Key::Number(number) => {
                    sys::zend_hash_index_add_new(array, number, &raw mut value);
                }
                Key::Text(text) => {
                    sys::zend_hash_add_new(array, (*text.as_ptr()).value.str_, &raw mut value);
                }
            }
        }
        ZBox::from_raw(array.cast())
    }
}
