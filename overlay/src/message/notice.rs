//! Why a client does not get what it asked for: the codes of `notice`, which programs go by. `PROTOCOL.md` says what each
//! means; a test holds its table against them.

use schemars::JsonSchema;
use serde::Serialize;

/// The code of a `notice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeCode {
    /// Kept out by a host or moderator.
    Banned,
    /// Not JSON, or a field of another kind or length than is taken.
    BadMessage,
    /// More people have carts than are kept.
    CartFull,
    /// The poll takes no votes any more.
    Closed,
    /// The role does not allow it.
    Forbidden,
    /// Something was said before `hello`.
    HelloFirst,
    /// The id belongs to another command.
    KeyReused,
    /// Kept quiet by a host or moderator.
    Muted,
    /// A listed word is in it.
    NotAllowed,
    /// Nothing of that name.
    NotFound,
    /// It cannot be done as things are.
    NotPossible,
    /// More people have voted than are counted.
    PollFull,
    /// Nobody has looked at the questions there are.
    QuestionsFull,
    /// Not yet, in slow mode.
    SlowMode,
    /// It has changed since it was last seen.
    Stale,
    /// The token is not good here.
    TokenInvalid,
    /// More in a time than is taken.
    TooFast,
    /// The shop is busy, or its ledger out of reach.
    Unavailable,
    /// No version in common.
    VersionUnsupported,
}
