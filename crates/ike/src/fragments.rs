/// What is known of IKE fragmentation with one peer (RFC 7383).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragments {
    /// The peer does not speak it.
    Unspoken,
    /// The peer speaks it.
    Spoken,
    /// The peer's own were never longer than this, in octets of an IKE message.
    UpTo(u16),
}

// 576 (every IPv4 host takes it, RFC 791 §3.1) - 20 (IPv4) - 8 (UDP) - 4 (non-ESP marker).
const SHORTEST: usize = 544;

impl Fragments {
    pub(crate) fn spoken(is_spoken: bool) -> Self {
        if is_spoken { Self::Spoken } else { Self::Unspoken }
    }

    /// A message of the peer came whole; its longest fragment had so many octets.
    pub(crate) fn saw(&mut self, longest: usize) {
        *self = Self::UpTo(u16::try_from(longest).unwrap_or(u16::MAX));
    }

    /// How long a message of ours may be unless it is cut; `ours` is the length that we prefer. A peer
    /// that sends shorter ones knows of a path that is smaller than we think.
    pub(crate) fn limit(self, ours: usize) -> Option<usize> {
        match self {
            Self::Unspoken => None,
            Self::Spoken => Some(ours),
            Self::UpTo(longest) => Some(usize::from(longest).max(SHORTEST).min(ours)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fragments;

    #[test]
    fn ours_are_as_short_as_the_peers_but_no_shorter_than_every_path_takes() {
        let mut fragments = Fragments::spoken(true);
        assert_eq!(fragments.limit(1228), Some(1228));
        for (longest, limit) in [(700, 700), (100, 544), (70_000, 1228)] {
            fragments.saw(longest);
            assert_eq!(fragments.limit(1228), Some(limit));
        }
        assert_eq!(Fragments::spoken(false).limit(1228), None);
    }
}
