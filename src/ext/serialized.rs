//! Jobs of the plain runtime that run isolated: how they come to the child as text, and what the child does with them.

use crate::exceptions::Fault;
use crate::zend::{self, Ending, Owned, sys};
use crate::{child, convert, session};

/// In the child: unserializes the job, calls its handle(), serializes what came of it.
pub(crate) fn handle_request(request: &[u8]) -> child::Reply {
    let text = zend::string(request);
    let (ending, job) = zend::call_function("unserialize", &mut [text.borrowed()]);
    if ending == Ending::Returned && zend::kind(job.as_ptr()) == sys::IS_OBJECT {
        let callable = convert::method_callable(&job, "handle");
        let (ending, result) = zend::call(callable.as_ptr(), &mut []);
        session::leave_if_forked(ending);
        return reply(ending, &result);
    }
    reply(ending, &job)
}

fn reply(ending: Ending, result: &Owned) -> child::Reply {
    let parts = match ending {
        Ending::BailedOut => return child::Reply::Fatal,
        Ending::Exited => {
            zend::take_exception();
            return child::Reply::Exited;
        }
        Ending::Returned => convert::list(&[zend::long(1), result.borrowed()]),
        Ending::Threw => convert::list_of_exception(),
    };
    let (ending, text) = zend::call_function("serialize", &mut [parts.borrowed()]);
    match ending {
        Ending::Returned => child::Reply::Done(zend::bytes(&text).unwrap_or_default()),
        // The result cannot be serialized: that is what the job did wrong.
        Ending::Threw => {
            match zend::call_function("serialize", &mut [convert::list_of_exception().borrowed()]) {
                (Ending::Returned, text) => {
                    child::Reply::Done(zend::bytes(&text).unwrap_or_default())
                }
                _ => child::Reply::Fatal,
            }
        }
        _ => child::Reply::Fatal,
    }
}

/// Serializes an object that is to run isolated.
pub(crate) fn serialize(object: &Owned) -> Result<Vec<u8>, Fault> {
    let (ending, text) = zend::call_function("serialize", &mut [object.borrowed()]);
    if ending == Ending::Returned
        && let Some(bytes) = zend::bytes(&text)
    {
        return Ok(bytes);
    }
    let reason =
        zend::take_exception().map_or_else(String::new, |exception| zend::describe(&exception));
    Err(Fault::argument(format!(
        "this job cannot run isolated, since it cannot be serialized: {reason}"
    )))
}
