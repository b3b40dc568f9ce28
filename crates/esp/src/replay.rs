/// Packets that may arrive late and still be taken (RFC 4303 §3.4.3): a power of two from 1,024 to 16,384,
/// at one bit each. 1,024 packets of 1,400 octets are 11 ms at 1 Gbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize(u16);

impl WindowSize {
    /// Every size, smallest first: 128 octets to 2 KiB.
    pub const ALL: [Self; 5] = [Self(1024), Self(2048), Self(4096), Self(8192), Self(16_384)];

    /// `None` for a number that is no size.
    pub fn new(packets: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|size| u32::from(size.0) == packets)
    }

    /// How many packets.
    pub const fn packets(self) -> u64 {
        self.0 as u64
    }

    const fn words(self) -> usize {
        self.0 as usize / 64
    }
}

impl Default for WindowSize {
    fn default() -> Self {
        Self(1024)
    }
}

/// Which sequence numbers of an SA have been seen (RFC 4303 §3.4.3, appendix A2 for ESN).
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// Highest sequence number that verified; 0 before the first packet.
    top: u64,
    /// Bit `n % size` says whether `n` was seen, for `n` in `top - size + 1 ..= top`. Nothing before the
    /// first packet.
    seen: Box<[u64]>,
    size: WindowSize,
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
    pub fn new(extended: bool, size: WindowSize) -> Self {
        Self { top: 0, seen: Box::default(), size, extended }
    }

    /// Whether sequence numbers have 64 bits.
    pub const fn is_extended(&self) -> bool {
        self.extended
    }

    /// Numbers above the highest that verified.
    pub const fn left(&self) -> u64 {
        let last = if self.extended { u64::MAX } else { u32::MAX as u64 };
        last - self.top
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
        if self.top - sequence >= self.size.packets() {
            return Err(Replay::TooOld);
        }
        if self.is_seen(sequence) { Err(Replay::Seen) } else { Ok(sequence) }
    }

    /// The number nearest to the window: in the subspace of its low end, or in the one above. `None`
    /// for the one below the first.
    fn infer(&self, low: u32) -> Option<u64> {
        const SUBSPACE: u64 = 1 << 32;
        let below_top = self.size.packets() - 1;
        let bottom = self.top.wrapping_sub(below_top);
        let (top_high, low) = (self.top & !(SUBSPACE - 1), u64::from(low));
        let reaches_back = (self.top % SUBSPACE) < below_top;
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
        if self.seen.is_empty() {
            self.seen = vec![0; self.size.words()].into();
        } else if ahead >= self.size.packets() {
            self.seen.fill(0);
        } else if ahead > 0 {
            self.forget(self.top + 1, sequence);
        }
        self.top = self.top.max(sequence);
        let (word, bit) = self.position(sequence);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen |= bit;
        }
        ahead > 0
    }

    /// Makes `first ..= last`, fewer than the window's size, unseen: a word at a time.
    fn forget(&mut self, first: u64, last: u64) {
        for block in first / 64..=last / 64 {
            let from = if block == first / 64 { first % 64 } else { 0 };
            let to = if block == last / 64 { last % 64 } else { 63 };
            let (word, _) = self.position(block * 64);
            if let Some(seen) = self.seen.get_mut(word) {
                *seen &= !(u64::MAX << from & u64::MAX >> (63 - to));
            }
        }
    }

    fn is_seen(&self, sequence: u64) -> bool {
        let (word, bit) = self.position(sequence);
        self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    fn position(&self, sequence: u64) -> (usize, u64) {
        // Sizes are powers of two.
        let in_window = sequence & (self.size.packets() - 1);
        ((in_window / 64) as usize, 1 << (sequence % 64))
    }
}

#[cfg(test)]
mod tests;
