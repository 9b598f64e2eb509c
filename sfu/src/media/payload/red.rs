//! The header of redundant sound (RFC 2198 §3): older blocks, then the one the packet is for.

use arrayvec::ArrayVec;

/// Bytes of an older block's header, and of the last one's.
const OLDER: usize = 4;
const LAST: usize = 1;
/// Older blocks at most: browsers send one or two, and more than this make a packet longer than a line takes.
const MAX_OLDER: u8 = 8;
/// In an older block's header, the bit that says that another one follows.
const FOLLOWS: u8 = 0x80;

/// Where things are in one payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedHeader {
    /// Older blocks.
    older: u8,
    /// Offset of the last block, which has the packet's own timestamp.
    primary: u16,
}

impl RedHeader {
    /// Bytes of the longest.
    pub const MOST_BYTES: usize = MAX_OLDER as usize * OLDER + LAST;

    /// Reads a payload; `None` when it is malformed, or without a last block.
    pub fn parse(payload: &[u8]) -> Option<RedHeader> {
        let (mut older, mut bytes) = (0, 0);
        let mut rest = payload;
        while let &[first, ..] = rest
            && first & FOLLOWS != 0
        {
            let (&[_, _, high, low], next) = rest.split_first_chunk::<OLDER>()?;
            // Six bits of the timestamp offset, ten of length.
            bytes += usize::from(u16::from_be_bytes([high & 3, low]));
            older += 1;
            rest = next;
            if older > MAX_OLDER {
                return None;
            }
        }
        let header = RedHeader {
            older,
            primary: u16::try_from(usize::from(older) * OLDER + LAST + bytes).ok()?,
        };
        (payload.len() > header.primary()).then_some(header)
    }

    /// Where the block begins that the packet is for.
    pub fn primary(self) -> usize {
        usize::from(self.primary)
    }

    /// The header with each block named by a viewer's payload type; stands for as many bytes of the payload.
    pub fn renamed(self, payload: &[u8], payload_type: u8) -> ArrayVec<u8, { RedHeader::MOST_BYTES }> {
        let len = usize::from(self.older) * OLDER + LAST;
        let mut header: ArrayVec<u8, _> = payload.iter().take(len.min(Self::MOST_BYTES)).copied().collect();
        for first in header.iter_mut().step_by(OLDER) {
            *first = *first & FOLLOWS | payload_type;
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two older blocks of 3 and 2 bytes, 1920 and 960 ticks ago, and one of 4.
    const TWO: [u8; 18] = [
        0x80 | 111,
        0x1e,
        0x00,
        3,
        0x80 | 111,
        0x0f,
        0x00,
        2,
        111,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        3,
        3,
    ];

    #[test]
    fn the_last_block_is_found_and_blocks_are_renamed() {
        let header = RedHeader::parse(&TWO).unwrap();
        assert_eq!(&TWO[header.primary()..], [3; 4]);
        let renamed = header.renamed(&TWO, 96);
        assert_eq!(renamed[..], [0x80 | 96, 0x1e, 0, 3, 0x80 | 96, 0x0f, 0, 2, 96]);
        let alone = RedHeader::parse(&[111, 7]).unwrap();
        assert_eq!(
            (alone.primary(), &alone.renamed(&[111, 7], 96)[..]),
            (1, &[96][..])
        );
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        assert!((0..15).all(|len| RedHeader::parse(&TWO[..len]).is_none()));
        assert_eq!(RedHeader::parse(&[0xff; 64]), None, "older blocks without end");
    }
}
