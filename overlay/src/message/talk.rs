//! What is said in a show: chat, questions, polls, reactions, and what a host or moderator does about them. The ledger
//! keeps nothing of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{BadMessage, Fields};
use super::types::Person;

/// Characters of a chat line, a question and an answer.
pub(super) const MAX_CHAT: usize = 500;
/// Choices of a poll: more do not fit a phone.
pub const MAX_OPTIONS: usize = 6;
/// Characters of a poll's question and of a choice.
const MAX_POLL_QUESTION: usize = 200;
const MAX_OPTION: usize = 80;
/// The longest poll with an end, in seconds.
const MAX_POLL_SECONDS: i64 = 86_400;
/// Reactions of one kind in one message: what two thumbs do in half a second, with room.
const MAX_REACTIONS: i64 = 50;
/// Words of one list, so that it fits one message with its neighbours.
const MAX_WORDS: usize = 150;
/// Characters of a word.
const MAX_WORD: usize = 40;
/// Bytes of a person's id in moderation.
const MAX_USER: usize = 128;

/// A line of chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatLine {
    /// The server's id.
    pub id: String,
    /// The sender's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Who.
    pub user: Person,
    /// What.
    pub text: String,
}

/// A question to the host, whole: new, answered or set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The server's id.
    pub id: String,
    /// The sender's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#ref: Option<String>,
    /// Who asks.
    pub user: Person,
    /// What.
    pub text: String,
    /// What became of it.
    pub state: QuestionState,
    /// The answer, where it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum QuestionState {
    /// Waits.
    Open,
    /// Answered, in writing or aloud.
    Answered,
    /// Set aside: no longer shown.
    Dismissed,
}

/// A poll, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Poll {
    /// The host's id of it.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// The choices; votes name them by their place.
    pub options: Vec<String>,
    /// Votes for each choice.
    pub counts: Vec<u64>,
    /// Whether votes are taken.
    pub open: bool,
    /// When it closes by itself, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<i64>,
}

/// A reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reaction {
    /// ❤
    Heart,
    /// 👍
    Like,
    /// 🔥
    Fire,
    /// 😂
    Laugh,
    /// 😮
    Wow,
    /// 👏
    Clap,
}

impl Reaction {
    fn from_name(name: &str) -> Option<Reaction> {
        Some(match name {
            "heart" => Reaction::Heart,
            "like" => Reaction::Like,
            "fire" => Reaction::Fire,
            "laugh" => Reaction::Laugh,
            "wow" => Reaction::Wow,
            "clap" => Reaction::Clap,
            _ => return None,
        })
    }
}

/// A time everybody looks forward to, by the server's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Countdown {
    /// Unix milliseconds.
    pub until: i64,
    /// What it is until.
    pub of: CountdownOf,
    /// Whose flash sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// What a countdown is until.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountdownOf {
    /// The show begins.
    ShowStart,
    /// A flash sale begins.
    SaleStart,
    /// A flash sale ends.
    SaleEnd,
}

/// What a viewer says to the others.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(tag = "t", rename_all = "snake_case")]
pub enum TalkMessage {
    /// A line of chat.
    Chat {
        /// The client's id of it.
        id: String,
        /// The line.
        #[schemars(length(min = 1, max = 500))]
        text: String,
    },
    /// A question to the host.
    Question {
        /// The client's id of it.
        id: String,
        /// What is asked.
        #[schemars(length(min = 1, max = 500))]
        text: String,
    },
    /// Reactions, summed by the client.
    React {
        /// Which.
        kind: Reaction,
        /// How many since the last message.
        #[schemars(range(min = 1, max = 50))]
        count: i64,
    },
    /// A vote; the first of a person counts.
    Vote {
        /// Which poll.
        poll: String,
        /// The choice's place.
        #[schemars(range(min = 0, max = 5))]
        option: i64,
    },
}

/// What a host or moderator does about what is said, and says to everybody.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(tag = "op")]
pub enum TalkCommand {
    /// Takes a line away.
    #[schemars(rename = "chat.delete")]
    DeleteChat {
        /// The server's id of it.
        message: String,
    },
    /// Keeps a line on top.
    #[schemars(rename = "chat.pin")]
    PinChat {
        /// The server's id of it.
        message: String,
    },
    /// No line is on top any more.
    #[schemars(rename = "chat.unpin")]
    UnpinChat,
    /// Somebody may not write any more.
    #[schemars(rename = "chat.mute")]
    Mute {
        /// Whom.
        user: String,
    },
    /// Somebody may write again.
    #[schemars(rename = "chat.unmute")]
    Unmute {
        /// Whom.
        user: String,
    },
    /// Somebody must leave, and is not let in again.
    #[schemars(rename = "chat.ban")]
    Ban {
        /// Whom.
        user: String,
    },
    /// Somebody may come again.
    #[schemars(rename = "chat.unban")]
    Unban {
        /// Whom.
        user: String,
    },
    /// The time between two lines of one person.
    #[schemars(rename = "chat.slow")]
    Slow {
        /// Seconds; 0 is no slow mode.
        #[schemars(range(min = 0, max = 120))]
        seconds: i64,
    },
    /// Words that are not let through; the list replaces the one before.
    #[schemars(rename = "chat.words")]
    Words {
        /// Words or phrases, in any case.
        #[schemars(length(max = 150))]
        words: Vec<String>,
    },
    /// A question is answered.
    #[schemars(rename = "question.answer")]
    Answer {
        /// The server's id of it.
        question: String,
        /// In writing; without, it was answered aloud.
        text: Option<String>,
    },
    /// A question is set aside.
    #[schemars(rename = "question.dismiss")]
    Dismiss {
        /// The server's id of it.
        question: String,
    },
    /// Asks everybody.
    #[schemars(rename = "poll.open")]
    OpenPoll {
        /// The host's id of the poll.
        poll: String,
        /// What is asked.
        question: String,
        /// The choices.
        #[schemars(length(min = 2, max = 6))]
        options: Vec<String>,
        /// It closes by itself after so long.
        #[schemars(range(min = 5, max = 86400))]
        seconds: Option<i64>,
    },
    /// Takes no more votes.
    #[schemars(rename = "poll.close")]
    ClosePoll {
        /// The host's id of it.
        poll: String,
    },
    /// A line that is shown large.
    #[schemars(rename = "announce")]
    Announce {
        /// The line.
        #[schemars(length(min = 1, max = 280))]
        text: String,
    },
    /// Shows everybody how long it is until something of the shop's own book: a flash sale's begin or end, or the show's
    /// begin. A time cannot be made up.
    #[schemars(rename = "countdown.show")]
    ShowCountdown {
        /// Whose flash sale; without, the show's begin is meant.
        variant: Option<String>,
    },
    /// Takes the countdown away.
    #[schemars(rename = "countdown.hide")]
    HideCountdown,
    /// A product worth a look, without putting it in front.
    #[schemars(rename = "product.recommend")]
    Recommend {
        /// Which.
        product: String,
        /// Why.
        text: Option<String>,
    },
}

impl TalkCommand {
    /// Whether moderators may do it, too.
    pub fn is_moderation(&self) -> bool {
        !matches!(
            self,
            TalkCommand::OpenPoll { .. }
                | TalkCommand::ClosePoll { .. }
                | TalkCommand::Announce { .. }
                | TalkCommand::ShowCountdown { .. }
                | TalkCommand::HideCountdown
                | TalkCommand::Recommend { .. }
        )
    }
}

/// Reads what a viewer says; `None` when it is of another kind.
pub(super) fn message(kind: &str, fields: Fields<'_>) -> Result<Option<TalkMessage>, BadMessage> {
    Ok(Some(match kind {
        "chat" => TalkMessage::Chat {
            id: fields.id("id")?,
            text: fields.text("text", MAX_CHAT)?,
        },
        "question" => TalkMessage::Question {
            id: fields.id("id")?,
            text: fields.text("text", MAX_CHAT)?,
        },
        "react" => TalkMessage::React {
            kind: match fields
                .get("kind")
                .and_then(Value::as_str)
                .and_then(Reaction::from_name)
            {
                Some(kind) => kind,
                None => return fields.bad("kind", "heart, like, fire, laugh, wow or clap"),
            },
            count: fields.integer("count", 1, MAX_REACTIONS)?,
        },
        "vote" => TalkMessage::Vote {
            poll: fields.id("poll")?,
            option: fields.integer("option", 0, MAX_OPTIONS as i64 - 1)?,
        },
        _ => return Ok(None),
    }))
}

/// Operations of [`TalkCommand`], for the error that names them all.
pub(super) const OPERATIONS: &str = "chat.delete, chat.pin, chat.unpin, chat.mute, chat.unmute, chat.ban, chat.unban, \
    chat.slow, chat.words, question.answer, question.dismiss, poll.open, poll.close, countdown.show, \
    countdown.hide, product.recommend or announce";

/// Reads a host's or moderator's command; `None` when it is of another kind.
pub(super) fn command(op: &str, fields: Fields<'_>) -> Result<Option<TalkCommand>, BadMessage> {
    let user = || fields.text("user", MAX_USER);
    let message = || fields.id("message");
    let question = || fields.id("question");
    Ok(Some(match op {
        "chat.delete" => TalkCommand::DeleteChat { message: message()? },
        "chat.pin" => TalkCommand::PinChat { message: message()? },
        "chat.unpin" => TalkCommand::UnpinChat,
        "chat.mute" => TalkCommand::Mute { user: user()? },
        "chat.unmute" => TalkCommand::Unmute { user: user()? },
        "chat.ban" => TalkCommand::Ban { user: user()? },
        "chat.unban" => TalkCommand::Unban { user: user()? },
        "chat.slow" => TalkCommand::Slow {
            seconds: fields.integer("seconds", 0, 120)?,
        },
        "chat.words" => TalkCommand::Words {
            words: fields.texts("words", (0, MAX_WORDS), MAX_WORD)?,
        },
        "question.answer" => TalkCommand::Answer {
            question: question()?,
            text: fields.optional_text("text", MAX_CHAT)?,
        },
        "question.dismiss" => TalkCommand::Dismiss {
            question: question()?,
        },
        "poll.open" => TalkCommand::OpenPoll {
            poll: fields.id("poll")?,
            question: fields.text("question", MAX_POLL_QUESTION)?,
            options: fields.texts("options", (2, MAX_OPTIONS), MAX_OPTION)?,
            seconds: fields.optional_integer("seconds", 5, MAX_POLL_SECONDS)?,
        },
        "poll.close" => TalkCommand::ClosePoll {
            poll: fields.id("poll")?,
        },
        "announce" => TalkCommand::Announce {
            text: fields.text("text", 280)?,
        },
        "countdown.show" => TalkCommand::ShowCountdown {
            variant: match fields.get("variant") {
                None => None,
                Some(_) => Some(fields.id("variant")?),
            },
        },
        "countdown.hide" => TalkCommand::HideCountdown,
        "product.recommend" => TalkCommand::Recommend {
            product: fields.id("product")?,
            text: fields.optional_text("text", 200)?,
        },
        _ => return Ok(None),
    }))
}
