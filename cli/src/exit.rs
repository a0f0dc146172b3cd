//! How a verb ends: the codes a script may rely on.

use std::process::ExitCode;

/// The end of a verb that ran. An error that a verb could not put into one of these is the caller's to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// 0: everything asked for was done.
    Done,
    /// 1: it ran, and not everything went well.
    Failed,
    /// 2: the arguments contradict each other; the same code as the argument parser's own.
    Usage,
    /// 69: something outside that it needs could not be reached.
    Unavailable,
    /// 78: settings or partner.toml are wrong.
    Config,
}

impl ExitStatus {
    /// The number the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unavailable => 69,
            Self::Config => 78,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
