//! What clients of the shop say.

use overlay::message::{parse_command, parse_message};

/// A message of a client. A refusal says what was wrong.
pub(crate) fn message(input: &[u8]) {
    if let Err(bad) = parse_message(input) {
        assert!(!bad.0.is_empty());
    }
}

/// A host's command by HTTP.
pub(crate) fn command(input: &[u8]) {
    if let Err(bad) = parse_command(input) {
        assert!(!bad.0.is_empty());
    }
}
