//! Secrets made per session, from the process's cryptographic generator.

use rand::RngExt;
use sfu::negotiation::IceCredentials;

/// 16 characters of 6 bits: the ufrag finds the peer for a datagram, so it must be unique in the process.
const UFRAG: usize = 16;
/// 24 characters of 6 bits; RFC 8445 §5.3 asks for 128 bits.
const PWD: usize = 24;

/// Fresh ICE credentials.
pub(crate) fn ice() -> IceCredentials {
    IceCredentials {
        ufrag: ice_chars(UFRAG),
        pwd: ice_chars(PWD),
    }
}

/// ice-char of RFC 8839 §5.4.
fn ice_chars(count: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = rand::rng();
    (0..count)
        .filter_map(|_| ALPHABET.get(random.random_range(0..ALPHABET.len())))
        .map(|&character| char::from(character))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_their_length_and_differ() {
        let (one, other) = (ice(), ice());
        assert_eq!((one.ufrag.len(), one.pwd.len()), (UFRAG, PWD));
        assert!(one.ufrag != other.ufrag && one.pwd != other.pwd);
    }
}
