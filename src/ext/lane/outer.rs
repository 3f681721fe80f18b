//! What waits in a lane while a pristine application runs one job on the same stack.

use crate::state::globals::Globals;
use crate::state::settings::Settings;
use crate::state::variables::LaneVariables;
use crate::zend::Value;

/// The application that is not live: the lane's own, or, while that answers a question of the job, the pristine one.
pub(crate) struct Outer {
    pub(crate) globals: Globals,
    pub(crate) settings: Settings,
    pub(crate) own: Option<LaneVariables>,
    /// Of the running code: the engine keeps it by stack, and there is one.
    pub(crate) error_reporting: i32,
    /// Answers questions of the job.
    pub(crate) answer: *mut Value,
}
