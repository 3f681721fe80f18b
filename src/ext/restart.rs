//! The program is executed anew, in this very process, with an ini setting before its arguments.

use std::ffi::CString;

use crate::exceptions::Fault;
use crate::{process, zend};

/// The arguments that this process was started with, the interpreter's first, and which of them names the script.
fn command_line() -> Option<(Vec<CString>, usize)> {
    let bytes = std::fs::read("/proc/self/cmdline").ok()?;
    let line: Vec<CString> = bytes
        .strip_suffix(b"\0")?
        .split(|byte| *byte == 0)
        .map(CString::new)
        .collect::<Result<_, _>>()
        .ok()?;
    let script = line.len().checked_sub(zend::argument_count())?;
    Some((line, script))
}

/// Whether one of the script's arguments is this one.
pub(crate) fn started_with(argument: &str) -> bool {
    command_line().is_some_and(|(line, script)| {
        let mut arguments = line.iter().skip(script + 1);
        arguments.any(|other| other.to_bytes() == argument.as_bytes())
    })
}

/// Executes the program anew, with this file before its script. Returns only if that fails, and says why.
pub(crate) fn restart(prepend: &str) -> Fault {
    let failed = |why: String| Fault::engine(format!("the program cannot be started anew: {why}"));
    let Some((mut line, script)) = command_line() else {
        return failed("its command line is not to be had".into());
    };
    let setting = match CString::new(format!("auto_prepend_file={prepend}")) {
        Ok(setting) => setting,
        Err(error) => return failed(error.to_string()),
    };
    line.splice(script..script, [c"-d".to_owned(), setting]);
    zend::flush_output();
    failed(process::execute_again(&line).to_string())
}
