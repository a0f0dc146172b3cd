//! Identifiers as mParticle writes them.

/// A random UUID, version 4, as its 36 characters.
pub(super) fn uuid(rng: &mut fastrand::Rng) -> [u8; 36] {
    let mut bytes = rng.u128(..).to_be_bytes();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let mut text = [b'-'; 36];
    let places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, place) in bytes.into_iter().zip(places) {
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 0x0f)];
    }
    text
}

/// The characters as text.
pub(super) fn text(uuid: &[u8; 36]) -> &str {
    std::str::from_utf8(uuid).expect("hex digits and hyphens are ASCII")
}

/// Random hex digits, as device tokens are made of.
pub(super) fn hex(rng: &mut fastrand::Rng, digits: usize) -> String {
    (0..digits).map(|_| char::from(DIGITS[rng.usize(..16)])).collect()
}

/// Any 64-bit number but those that a double could hold: what reads it as one changes it.
pub(super) fn wide(rng: &mut fastrand::Rng) -> i64 {
    let sign = if rng.bool() { 1 } else { -1 };
    sign * rng.i64((1 << 53) + 1..i64::MAX)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_their_form_and_differ() {
        let mut rng = fastrand::Rng::with_seed(1);
        let all: std::collections::BTreeSet<_> = (0..1000).map(|_| uuid(&mut rng)).collect();
        assert_eq!(all.len(), 1000);
        for id in &all {
            let parts: Vec<&str> = text(id).split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4'), "{parts:?}");
            assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "{parts:?}");
        }
    }

    #[test]
    fn wide_numbers_are_no_doubles() {
        let mut rng = fastrand::Rng::with_seed(1);
        let all: Vec<i64> = (0..1000).map(|_| wide(&mut rng)).collect();
        assert!(all.iter().all(|n| n.unsigned_abs() > 1 << 53));
        assert!(all.iter().any(|n| *n < 0) && all.iter().any(|n| *n > 0));
    }
}
