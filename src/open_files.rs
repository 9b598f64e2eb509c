//! How many files and sockets the process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft bound, which most systems leave at 1024 for the sake of programs that use select(2), to the hard one.
/// What it is now; `None` where the system does not say.
pub(crate) fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Some(if raised.is_ok() { hard } else { soft })
}
