/// A running Internet checksum (RFC 1071), in the machine's own byte order (§2 B).
#[derive(Clone, Copy, Default)]
pub(crate) struct Checksum(u64);

impl Checksum {
    /// Of the pseudo-header of TCP and UDP (RFC 9293 §3.1, RFC 8200 §8.1).
    ///
    /// `addresses`: source and destination as they stand in the IP header; `length`: octets of TCP or
    /// UDP, header included.
    pub(crate) fn of_pseudo_header(addresses: &[u8], protocol: u8, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Self::default().add(addresses).add(&length.to_be_bytes()).add(&[0, protocol])
    }

    /// Goes on with octets that begin at an even place. At most 2^32 in all.
    pub(crate) fn add(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<4>();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        let word = |octets: &[u8; 4]| u64::from(u32::from_ne_bytes(*octets));
        Self(self.0 + words.iter().map(word).sum::<u64>() + word(&last))
    }

    /// The sum itself, as it stands in a packet whose checksum is still to be completed.
    pub(crate) fn sum(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (sum as u16).to_ne_bytes()
    }

    /// The checksum.
    pub(crate) fn finish(self) -> [u8; 2] {
        self.sum().map(|octet| !octet)
    }

    /// What was added contains its own checksum, and it is right.
    pub(crate) fn is_good(self) -> bool {
        self.finish() == [0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §4.1, step by step.
    fn by_the_book(octets: &[u8]) -> u16 {
        let pairs = octets.chunks(2).map(|pair| match pair {
            [a, b] => u32::from(u16::from_be_bytes([*a, *b])),
            [a] => u32::from(*a) << 8,
            _ => 0,
        });
        let sum: u32 = pairs.sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        !(((folded & 0xffff) + (folded >> 16)) as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Checksum::default().add(&octets).sum(), [0xdd, 0xf2]);
    }

    proptest! {
        #[test]
        fn it_is_the_one_of_rfc_1071(octets in prop::collection::vec(any::<u8>(), 0..300), even in 0..75_usize) {
            let expected = by_the_book(&octets).to_be_bytes();
            prop_assert_eq!(Checksum::default().add(&octets).finish(), expected);
            let (head, tail) = octets.split_at((even * 2).min(octets.len() & !1));
            prop_assert_eq!(Checksum::default().add(head).add(tail).finish(), expected);
        }
    }
}
