//! Whether this PHP can run lanes at all; if not, one sentence that says what to do.

use crate::exceptions::Fault;
use crate::hooks::Mode;
use crate::zend;

/// Refuses what is known to break.
pub(crate) fn supported() -> Result<(), Fault> {
    if zend::extension_loaded("xdebug") {
        let mode = std::env::var("XDEBUG_MODE")
            .ok()
            .filter(|mode| !mode.is_empty())
            .or_else(|| zend::ini(c"xdebug.mode"))
            .unwrap_or_default();
        if let Some(bad) = mode
            .split(',')
            .map(str::trim)
            .find(|mode| matches!(*mode, "debug" | "coverage"))
        {
            return Err(Fault::unsupported(format!(
                "Xdebug is loaded in mode \"{bad}\", which crashes with lanes. Start with XDEBUG_MODE=off, or without Xdebug."
            )));
        }
    }
    for other in ["swoole", "openswoole", "true_async"] {
        if zend::extension_loaded(other) {
            return Err(Fault::unsupported(format!(
                "the extension {other} is loaded: it replaces the same calls as KQueue. Disable it for this process (php -n, or its ini file)."
            )));
        }
    }
    Mode::from_environment().map(|_| ())
}
