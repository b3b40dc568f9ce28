//! How tunnels are shared out. The low octet of an IKE SA's handle, which is also that of its SPIs, says
//! which shard has them; so the kernel can hand each ESP packet to its shard, and nothing is looked up.

use ike::IkeSaId;

/// How many shards there are, each with a thread, a socket and a side of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardCount(u8);

impl ShardCount {
    /// As many as a handle's low octet can tell apart well.
    pub(crate) const MAX: usize = 64;

    /// At least 1, at most [`Self::MAX`].
    pub(crate) fn new(count: usize) -> Self {
        Self(count.clamp(1, Self::MAX) as u8)
    }

    pub(crate) fn get(self) -> usize {
        self.0.into()
    }

    /// Whose all CHILD SAs of an IKE SA are.
    pub(crate) fn of_sa(self, sa: IkeSaId) -> usize {
        usize::from(sa.0 as u8 % self.0)
    }

    /// Whose an ESP packet is.
    pub(crate) fn of_spi(self, spi: ids::Spi) -> usize {
        usize::from(spi.0 as u8 % self.0)
    }
}

/// Which shard one is, and among how many.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) own: usize,
    pub(crate) shards: ShardCount,
}

impl Place {
    /// Whose an ESP packet is, if another shard's.
    pub(crate) fn other_shard_of(self, spi: ids::Spi) -> Option<usize> {
        Some(self.shards.of_spi(spi)).filter(|shard| *shard != self.own)
    }

    /// Whose an IKE SA is, if another shard's.
    pub(crate) fn other_shard(self, sa: IkeSaId) -> Option<usize> {
        Some(self.shards.of_sa(sa)).filter(|shard| *shard != self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sa_and_its_spis_are_on_one_shard() {
        for count in 0..100 {
            let shards = ShardCount::new(count);
            for id in [0_u64, 1, 255, 256, 0x1_2345_6789] {
                let spi = ids::Spi(0xabcd_ef00 | id as u32 & 0xff);
                assert_eq!(shards.of_sa(IkeSaId(id)), shards.of_spi(spi));
                assert!(shards.of_spi(spi) < shards.get());
            }
        }
    }
}
