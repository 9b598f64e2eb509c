//! What a browser tells a sender: transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1)
//! now and then behind a receiver report (RFC 3550 §6.4.2).

/// Packets told of in one message.
const MAX_TOLD: usize = 400;
/// Browsers report once a second, and give feedback ten times as often.
const REPORT_EVERY: u8 = 10;
/// Microseconds of a reference time and of a delta.
const REFERENCE_US: u64 = 64_000;
const DELTA_US: i64 = 250;

/// What one viewer has received and not told yet.
#[derive(Debug, Default)]
pub struct Feedback {
    /// Transport-wide numbers, unrolled, and when they came in microseconds.
    arrivals: Vec<(u64, u64)>,
    /// The next number to tell of.
    next: Option<u64>,
    messages: u8,
    /// The newest video packet: SSRC and sequence number.
    newest: Option<(u32, u16)>,
}

impl Feedback {
    /// A packet came.
    pub fn arrived(&mut self, number: u16, at_us: u64, ssrc: u32, sequence: u16) {
        let before = self.arrivals.last().map(|&(number, _)| number).or(self.next);
        let number = before.map_or(1 << 16 | u64::from(number), |before| {
            let step = number.wrapping_sub(before as u16) as i16;
            before.saturating_add_signed(step.into())
        });
        self.newest = Some((ssrc, sequence));
        if self.next.is_none_or(|next| number >= next) && self.arrivals.len() < 2 * MAX_TOLD {
            self.arrivals.push((number, at_us));
        }
    }

    /// Whether the next packet is feedback alone, without a report before it.
    pub fn is_plain(&self) -> bool {
        !self.messages.is_multiple_of(REPORT_EVERY)
    }

    /// The packet that tells of it; nothing when nothing came.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|&mut (number, _)| number);
        let &(first, first_at) = self.arrivals.first()?;
        let (ssrc, sequence) = self.newest?;
        let base = self.next.unwrap_or(first);
        let told = self
            .arrivals
            .partition_point(|&(number, _)| number < base + MAX_TOLD as u64);
        let reference = first_at / REFERENCE_US;
        let mut before = (reference * REFERENCE_US) as i64 / DELTA_US;
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        for (number, at) in self.arrivals.drain(..told) {
            symbols.resize((number - base) as usize, 0u8);
            let at = at as i64 / DELTA_US;
            let delta = at - before;
            before = at;
            match u8::try_from(delta) {
                Ok(delta) => {
                    symbols.push(1);
                    deltas.push(delta);
                }
                Err(_) => {
                    symbols.push(2);
                    deltas.extend((delta as i16).to_be_bytes());
                }
            }
        }
        self.next = Some(base + symbols.len() as u64);
        let mut out = Vec::new();
        if !self.is_plain() {
            out.extend([0x81, 201, 0, 7, 0, 0, 0, 1]);
            out.extend(ssrc.to_be_bytes());
            out.extend([0; 6]);
            out.extend(sequence.to_be_bytes());
            out.extend([0; 12]);
        }
        let start = out.len();
        out.extend([0x8f, 205, 0, 0, 0, 0, 0, 1]);
        out.extend(ssrc.to_be_bytes());
        out.extend((base as u16).to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.messages);
        self.messages = self.messages.wrapping_add(1);
        for seven in symbols.chunks(7) {
            let bits = (0..7).fold(0b11u16, |bits, place| {
                bits << 2 | u16::from(seven.get(place).copied().unwrap_or(0))
            });
            out.extend(bits.to_be_bytes());
        }
        out.extend(deltas);
        out.resize(out.len().next_multiple_of(4), 0);
        let words = ((out.len() - start) / 4 - 1) as u16;
        out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        Some(out)
    }
}
