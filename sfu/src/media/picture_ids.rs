//! Picture ids of seven bits, which roll over after 127, as the fifteen bits that viewers get (RFC 7741 §4.2, RFC 9628 §4.2).

use super::history::PayloadInfo;

/// The ids of one stream.
#[derive(Debug, Default)]
pub(super) struct PictureIds {
    newest: Option<u16>,
}

impl PictureIds {
    /// Gives a packet's id the bits it lacks. The newest packet's picture is no older than the one before; any other's no newer.
    pub(super) fn widen(&mut self, info: &mut PayloadInfo, is_newest: bool) {
        let (PayloadInfo::Vp8 { picture_id, .. } | PayloadInfo::Vp9 { picture_id, .. }) = info else {
            return;
        };
        let Some((_, width, id)) = picture_id else { return };
        if let (7, Some(newest)) = (*width, self.newest) {
            let wide = match is_newest {
                true => newest.wrapping_add(id.wrapping_sub(newest) & 0x7f),
                false => newest.wrapping_sub(newest.wrapping_sub(*id) & 0x7f),
            };
            *id = wide & 0x7fff;
        }
        if is_newest {
            self.newest = Some(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of ids, each with its width and whether its packet is the newest.
    fn widened(ids: impl IntoIterator<Item = (u8, u16, bool)>) -> Vec<u16> {
        let mut stream = PictureIds::default();
        let widen = |(width, id, is_newest)| {
            let mut info = PayloadInfo::Vp8 {
                picture_id: Some((2, width, id)),
                tl0_pic_idx: None,
                descriptor: 3,
            };
            stream.widen(&mut info, is_newest);
            match info {
                PayloadInfo::Vp8 {
                    picture_id: Some((2, kept, id)),
                    ..
                } if kept == width => id,
                other => panic!("{other:?}"),
            }
        };
        ids.into_iter().map(widen).collect()
    }

    #[test]
    fn seven_bits_go_on_where_they_roll_over() {
        let went_on = widened((100..33_000).map(|number| (7, number & 0x7f, true)));
        assert!(
            went_on
                .iter()
                .copied()
                .eq((100..33_000).map(|number| number & 0x7fff))
        );
        // Some are lost, some come late, from before the rollover, too.
        let holes = [
            (7, 120, true),
            (7, 10, true),
            (7, 119, false),
            (7, 9, false),
            (7, 11, true),
        ];
        assert_eq!(widened(holes), [120, 138, 119, 137, 139]);
    }

    #[test]
    fn fifteen_bits_stay_as_they_are_and_shorter_ones_go_on_from_them() {
        let pion = [
            (7, 126, true),
            (7, 127, true),
            (15, 128, true),
            (15, 300, true),
            (15, 299, false),
        ];
        assert_eq!(widened(pion), [126, 127, 128, 300, 299]);
        assert_eq!(
            widened([(15, 32_766, true), (15, 32_767, true), (7, 0, true), (7, 1, true)]),
            [32_766, 32_767, 0, 1]
        );
    }
}
