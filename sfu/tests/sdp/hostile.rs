//! Text by people who mean no good.

use proptest::prelude::*;

use sfu::sdp::Fragment;

use super::*;

/// A real offer with some of its bytes replaced, lines dropped, doubled or swapped.
fn damaged() -> impl Strategy<Value = String> {
    let all: Vec<&'static str> = PUBLISHERS.into_iter().chain(VIEWERS).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0_u8..5, any::<char>()), 0..12);
    (prop::sample::select(all), edits).prop_map(|(text, edits)| {
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        for (index, action, character) in edits {
            let place = index.index(lines.len());
            match action {
                0 => drop(lines.remove(place)),
                1 => lines.insert(place, lines[place].clone()),
                2 => lines.swap(place, 0),
                3 => {
                    let line = &mut lines[place];
                    let at = (0..=line.len())
                        .rev()
                        .find(|&at| line.is_char_boundary(at) && at <= index.index(line.len() + 1));
                    line.insert(at.unwrap_or(0), character);
                }
                _ => lines[place] = lines[place].chars().take(3).collect(),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        lines.join("\r\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,400}", publish: bool) {
        let direction = if publish { Direction::Publish } else { Direction::Play };
        let _ = Offer::parse(&text, direction, 3);
        let _ = Fragment::parse(&text);
    }

    #[test]
    fn a_damaged_offer_is_refused_or_answered_validly(text in damaged(), publish: bool, seed: u64) {
        let direction = if publish { Direction::Publish } else { Direction::Play };
        if let Ok(offer) = Offer::parse(&text, direction, seed) {
            let answer = answer(&offer);
            prop_assert!(answer.len() < 8192);
            let parsed = reparse(&answer);
            let offered = text.split("\r\n").filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(parsed.media_descriptions.len(), offered);
        }
        let _ = Fragment::parse(&text);
    }
}
