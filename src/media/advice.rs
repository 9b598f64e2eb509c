//! What a host should know of the picture and sound that arrive, in words.

use sfu::media::{EncodingHealth, Faults};

/// Of a thousand packets, what may be lost on the way without a word: it comes again in time.
const LOSS_PERMILLE: u16 = 30;

const UNNAMED: &str = "your encoder sends simulcast without naming its layers, and what is not named is lost: let it send the \
                       rtp-stream-id header extension in its packets, or switch simulcast off";

const FOUGHT_OVER: &str =
    "another encoder takes this room from you whenever you have it, and is kept out for now: end it";

/// The lines for the host's page, the most important first; none when all is well. `unplayable` viewers have no decoder for the
/// picture; a room is `fought_over` that two encoders took from one another.
pub fn advice(encodings: &[EncodingHealth], unplayable: u32, fought_over: bool) -> Vec<String> {
    let arriving = || encodings.iter().filter(|encoding| encoding.active);
    if arriving().next().is_none() {
        return vec!["no media arrives".to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    if fought_over {
        lines.push(FOUGHT_OVER.to_owned());
    }
    // Of such a picture nothing is said to arrive.
    if encodings.iter().any(|encoding| encoding.faults.unnamed) {
        lines.push(UNNAMED.to_owned());
    }
    let picture = arriving().find(|encoding| encoding.codec != "opus");
    if unplayable > 0
        && let Some(picture) = picture
    {
        lines.push(no_decoder(picture.codec, unplayable));
    }
    for encoding in arriving() {
        for line in faults(encoding.faults) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if !arriving().any(|encoding| encoding.codec == "opus") {
        lines.push("no sound arrives".to_owned());
    }
    let worst = arriving()
        .map(|encoding| encoding.lost_permille)
        .max()
        .unwrap_or(0);
    if worst >= LOSS_PERMILLE {
        lines.push(format!(
            "{} % of what you send is lost on the way: send less, or use a better line",
            worst / 10
        ));
    }
    lines
}

fn no_decoder(codec: &str, viewers: u32) -> String {
    let who = match viewers {
        1 => "1 viewer has".to_owned(),
        viewers => format!("{viewers} viewers have"),
    };
    let instead = match codec {
        "h264" => "VP8, as Chrome and Firefox send it from this page, plays everywhere",
        _ => "choose H.264 in your encoder (OBS: Settings, Output, Streaming, Video Encoder), or VP8",
    };
    let codec = codec.to_uppercase().replace("H264", "H.264");
    format!("{who} a browser that cannot play {codec}, and only the sound: {instead}")
}

fn faults(faults: Faults) -> impl Iterator<Item = String> {
    let profile = faults.profile.map(|profile| {
        format!(
            "browsers cannot play the H.264 profile {}: choose Baseline, Main or High with 4:2:0 and 8 bits",
            profile_name(profile)
        )
    });
    let reordered = faults
        .reordered
        .then(|| "your encoder uses B-frames, which stutter in browsers: set B-frames to 0".to_owned());
    let no_keyframe = faults.no_keyframe.then(|| {
        "no keyframe for ten seconds: whoever joins sees nothing or a still; set the keyframe interval to 2 s".to_owned()
    });
    let rare = faults
        .rare_keyframes
        .filter(|_| !faults.no_keyframe)
        .map(|apart| {
            format!(
                "keyframes come only every {} s and not when asked for: set the keyframe interval to 2 s",
                apart.as_secs_f32().round()
            )
        });
    let unrepaired = faults.unrepaired.then(|| {
        "your encoder does not send lost packets again (OBS does so for its highest track only): each loss stops that \
         picture until its next keyframe; use a better line, or a keyframe interval of 1 s"
            .to_owned()
    });
    [profile, reordered, no_keyframe, rare, unrepaired]
        .into_iter()
        .flatten()
}

/// ITU-T H.264 §A.2.
fn profile_name(profile: u8) -> String {
    match profile {
        44 => "CAVLC 4:4:4".to_owned(),
        88 => "Extended".to_owned(),
        110 => "High 10".to_owned(),
        122 => "High 4:2:2".to_owned(),
        244 => "High 4:4:4".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use sfu::relay::EncodingId;

    fn encoding(codec: &'static str, faults: Faults) -> EncodingHealth {
        EncodingHealth {
            id: EncodingId { section: 0, layer: 0 },
            rid: None,
            codec,
            bitrate: 1,
            size: None,
            spatial: Vec::new(),
            active: true,
            lost_permille: 0,
            jitter: Duration::ZERO,
            faults,
        }
    }

    #[test]
    fn nothing_is_said_when_all_is_well() {
        let well = [
            encoding("opus", Faults::default()),
            encoding("h264", Faults::default()),
        ];
        assert_eq!(advice(&well, 0, false), Vec::<String>::new());
        assert_eq!(advice(&[], 0, false), ["no media arrives"]);
        assert_eq!(advice(&well[1..], 0, false), ["no sound arrives"]);
        let off = EncodingHealth {
            active: false,
            faults: Faults {
                reordered: true,
                ..Faults::default()
            },
            ..well[0].clone()
        };
        assert_eq!(advice(&[off], 0, false), ["no media arrives"]);
    }

    #[test]
    fn viewers_without_a_decoder_are_counted_and_what_to_choose_is_said() {
        let said = |codec, viewers| {
            let on_air = [
                encoding("opus", Faults::default()),
                encoding(codec, Faults::default()),
            ];
            advice(&on_air, viewers, false).join("; ")
        };
        assert!(said("av1", 1).starts_with("1 viewer has a browser that cannot play AV1"));
        assert!(said("av1", 1).contains("choose H.264"));
        assert!(said("h264", 3).starts_with("3 viewers have a browser that cannot play H.264"));
        assert!(said("h264", 3).contains("VP8"));
        assert_eq!(said("h264", 0), "");
    }

    #[test]
    fn each_fault_is_said_once_with_what_to_do() {
        let faults = Faults {
            reordered: true,
            no_keyframe: false,
            rare_keyframes: Some(Duration::from_millis(8300)),
            profile: Some(244),
            unrepaired: true,
            unnamed: true,
        };
        let lossy = EncodingHealth {
            lost_permille: 57,
            ..encoding("h264", faults)
        };
        let lines = advice(
            &[encoding("opus", Faults::default()), lossy.clone(), lossy],
            0,
            true,
        );
        let parts = [
            "another encoder",
            "rtp-stream-id",
            "High 4:4:4",
            "B-frames",
            "every 8 s",
            "lost packets again",
            "5 %",
        ];
        assert_eq!(lines.len(), parts.len(), "{lines:#?}");
        for (line, part) in lines.iter().zip(parts) {
            assert!(line.contains(part), "{line}");
        }
        let late = Faults {
            no_keyframe: true,
            ..faults
        };
        let lines = advice(
            &[encoding("opus", Faults::default()), encoding("h264", late)],
            0,
            false,
        );
        assert!(lines.iter().any(|line| line.contains("ten seconds")));
        assert!(!lines.iter().any(|line| line.contains("every 8 s")));
    }
}
