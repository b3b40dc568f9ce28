/// Packets that may arrive late and still be taken. RFC 4303 §3.4.3 asks for at least 32 and advises
/// more for fast links: 1,024 packets of 1,400 octets are 11 ms at 1 Gbit/s.
pub const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// Which sequence numbers of an SA have been seen (RFC 4303 §3.4.3, appendix A2 for ESN).
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// Highest sequence number that verified; 0 before the first packet.
    top: u64,
    /// Bit `n % WINDOW` says whether `n` was seen, for `n` in `top - WINDOW + 1 ..= top`.
    seen: [u64; WORDS],
    extended: bool,
}

/// Why a sequence number cannot be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    /// Below the window, or zero, which no sender uses.
    #[error("sequence number below the window")]
    TooOld,
    /// In the window and seen.
    #[error("sequence number seen before")]
    Seen,
}

impl ReplayWindow {
    /// Nothing seen yet. `extended`: 64-bit sequence numbers were negotiated.
    pub const fn new(extended: bool) -> Self {
        Self { top: 0, seen: [0; WORDS], extended }
    }

    /// Whether sequence numbers have 64 bits.
    pub const fn is_extended(&self) -> bool {
        self.extended
    }

    /// Rebuilds the whole sequence number from the 32 bits on the wire (RFC 4303 A2.2) and says
    /// whether it could be new. Changes nothing: call [`Self::accept`] once the ICV has verified.
    ///
    /// # Errors
    /// [`Replay`]: drop, count, stay silent.
    pub fn check(&self, low: u32) -> Result<u64, Replay> {
        let sequence = if self.extended { self.infer(low) } else { Some(u64::from(low)) };
        let sequence = sequence.filter(|sequence| *sequence != 0).ok_or(Replay::TooOld)?;
        if sequence > self.top {
            return Ok(sequence);
        }
        if self.top - sequence >= WINDOW {
            return Err(Replay::TooOld);
        }
        if self.is_seen(sequence) { Err(Replay::Seen) } else { Ok(sequence) }
    }

    /// The number nearest to the window: in the subspace of its low end, or in the one above. `None`
    /// for the one below the first.
    fn infer(&self, low: u32) -> Option<u64> {
        const SUBSPACE: u64 = 1 << 32;
        let bottom = self.top.wrapping_sub(WINDOW - 1);
        let (top_high, low) = (self.top & !(SUBSPACE - 1), u64::from(low));
        let reaches_back = (self.top % SUBSPACE) < WINDOW - 1;
        match (reaches_back, low >= bottom % SUBSPACE) {
            (false, true) | (true, false) => Some(top_high | low),
            (false, false) => Some(top_high.checked_add(SUBSPACE)? | low),
            (true, true) => Some(top_high.checked_sub(SUBSPACE)? | low),
        }
    }

    /// Marks a number from [`Self::check`] as seen and moves the window up to it if it is the highest;
    /// returns whether it is.
    pub fn accept(&mut self, sequence: u64) -> bool {
        let ahead = sequence.saturating_sub(self.top);
        if ahead >= WINDOW {
            self.seen = [0; WORDS];
        } else {
            (self.top + 1..=sequence).for_each(|skipped| self.set(skipped, false));
        }
        self.top = self.top.max(sequence);
        self.set(sequence, true);
        ahead > 0
    }

    fn is_seen(&self, sequence: u64) -> bool {
        let (word, bit) = position(sequence);
        self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    fn set(&mut self, sequence: u64, to: bool) {
        let (word, bit) = position(sequence);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen = if to { *seen | bit } else { *seen & !bit };
        }
    }
}

fn position(sequence: u64) -> (usize, u64) {
    ((sequence % WINDOW / 64) as usize, 1 << (sequence % 64))
}

#[cfg(test)]
mod tests;
