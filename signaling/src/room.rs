//! Room names, and which of them this server has.

use std::collections::BTreeSet;

/// Bytes of the longest room name: it stands in URLs, logs and file names.
const LONGEST: usize = 64;

/// Whether the text can name a room: `[A-Za-z0-9_-]{1,64}`.
pub fn is_room_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Which rooms this server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomRule {
    /// Any room with a valid name.
    Any,
    /// Only these.
    Only(BTreeSet<String>),
}

impl RoomRule {
    /// Whether the server has this room.
    pub fn allows(&self, room: &str) -> bool {
        is_room_name(room)
            && match self {
                RoomRule::Any => true,
                RoomRule::Only(rooms) => rooms.contains(room),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_are_plain_and_short() {
        let longest = "a".repeat(LONGEST);
        for good in ["demo", "A-1_b", "0", longest.as_str()] {
            assert!(is_room_name(good), "{good}");
        }
        let too_long = "a".repeat(LONGEST + 1);
        for bad in ["", "a b", "../x", "ä", "a/b", "*", too_long.as_str()] {
            assert!(!is_room_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_closed_list_lets_no_other_room_in() {
        let rule = RoomRule::Only(BTreeSet::from(["demo".to_owned()]));
        assert!(rule.allows("demo") && !rule.allows("other"));
        assert!(RoomRule::Any.allows("other") && !RoomRule::Any.allows("no room"));
    }
}
