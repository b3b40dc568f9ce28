use super::{Limits, Notice};
use esp::{InboundSa, OutboundSa, Selectors, WindowSize};
use ids::Spi;
use ike::{ChildSa, IkeSaId};
use std::{sync::Arc, time::Instant};

/// A pair of ESP SAs.
pub(super) struct Child {
    pub(super) inbound: InboundSa,
    pub(super) outbound: OutboundSa,
    /// The pair that goes on sending until the peer has shown that it uses this one.
    pub(super) waits_for: Option<Spi>,
    /// It was removed, and receives what was on its way to us before that.
    is_leaving: bool,
    worn_told: bool,
    packets_at_sweep: u64,
    idle_since: Instant,
}

impl Child {
    pub(super) fn new(
        child: ChildSa,
        selectors: Arc<Selectors>,
        window: WindowSize,
        now: Instant,
    ) -> Option<Self> {
        let suite = suite(child.suite.cipher);
        let keys = |keys: &ike::EspKeys| esp::Keys::new(suite, &keys.encr, &keys.integ).ok();
        let (inbound, outbound) = (keys(&child.keys_in)?, keys(&child.keys_out)?);
        let extended = child.suite.esn;
        Some(Self {
            inbound: InboundSa::new(child.spi_in, inbound, extended, selectors.clone()).with_window(window),
            outbound: OutboundSa::new(child.spi_out, outbound, extended, selectors),
            waits_for: child.replaces.filter(|_| !child.peer_is_ready),
            is_leaving: false,
            worn_told: false,
            packets_at_sweep: 0,
            idle_since: now,
        })
    }

    pub(super) fn may_send(&self) -> bool {
        self.waits_for.is_none() && !self.is_leaving
    }

    /// The pair with this SPI, this one or the one that it waits for, sends no more.
    pub(super) fn leave(&mut self, spi_in: Spi) {
        self.is_leaving |= self.inbound.spi() == spi_in;
        self.waits_for.take_if(|old| *old == spi_in);
    }

    pub(super) fn tell_if_worn(&mut self, sa: IkeSaId, limits: &Limits, notices: &mut Vec<Notice>) {
        let octets = self.inbound.usage().octets.max(self.outbound.usage().octets);
        let left = self.inbound.sequence_left().min(self.outbound.sequence_left());
        let is_worn = octets >= limits.octets_per_child || left < limits.sequence_reserve;
        if is_worn && !self.worn_told {
            self.worn_told = true;
            notices.push(Notice::Worn { sa, spi_in: self.inbound.spi() });
        }
    }

    pub(super) fn sweep(&mut self, now: Instant, limits: &Limits) {
        let packets = self.inbound.usage().packets + self.outbound.usage().packets;
        if packets != self.packets_at_sweep {
            self.packets_at_sweep = packets;
            self.idle_since = now;
        } else if now.duration_since(self.idle_since) >= limits.rest_after {
            self.inbound.rest();
            self.outbound.rest();
        }
    }
}

fn suite(cipher: ike::CipherSuite) -> esp::Suite {
    match cipher {
        ike::CipherSuite::Aes128Gcm16 => esp::Suite::Aes128Gcm16,
        ike::CipherSuite::Aes256Gcm16 => esp::Suite::Aes256Gcm16,
        ike::CipherSuite::Aes128CbcHmacSha256 => esp::Suite::Aes128CbcHmacSha256,
        ike::CipherSuite::Aes256CbcHmacSha256 => esp::Suite::Aes256CbcHmacSha256,
    }
}
