use esp::{InboundSa, Keys, OutboundSa, Selector, Selectors, Suite};
use ike::{ChildSa, CipherSuite, EspKeys, payload::TrafficSelector};
use std::sync::Arc;

/// The unit's end of a CHILD SA.
pub(crate) struct SaPair {
    pub(crate) inbound: InboundSa,
    pub(crate) outbound: OutboundSa,
}

impl SaPair {
    /// `None` when the keys do not fit the suite.
    pub(crate) fn of(child: &ChildSa) -> Option<Self> {
        let suite = match child.suite.cipher {
            CipherSuite::Aes128Gcm16 => Suite::Aes128Gcm16,
            CipherSuite::Aes256Gcm16 => Suite::Aes256Gcm16,
            CipherSuite::Aes128CbcHmacSha256 => Suite::Aes128CbcHmacSha256,
            CipherSuite::Aes256CbcHmacSha256 => Suite::Aes256CbcHmacSha256,
        };
        let keys = |keys: &EspKeys| Keys::new(suite, &keys.encr, &keys.integ).ok();
        let (keys_in, keys_out) = (keys(&child.keys_in)?, keys(&child.keys_out)?);
        let selectors = Arc::new(Selectors {
            local: ranges(&child.ts_local).into(),
            remote: ranges(&child.ts_remote).into(),
        });
        let esn = child.suite.esn;
        Some(Self {
            inbound: InboundSa::new(child.spi_in, keys_in, esn, selectors.clone()),
            outbound: OutboundSa::new(child.spi_out, keys_out, esn, selectors),
        })
    }
}

fn ranges(selectors: &[TrafficSelector]) -> Vec<Selector> {
    selectors.iter().map(|selector| Selector::range(selector.addresses.0, selector.addresses.1)).collect()
}
