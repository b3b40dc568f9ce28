use super::{Malformed, PayloadType, ProtocolId};
use crate::reader::Reader;
use ids::Spi;

/// Delete payload (RFC 7296 §3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delete {
    /// The IKE SA that carries this message, and all below it.
    IkeSa,
    /// ESP SAs by the SPIs that the sender receives on.
    Esp(Vec<Spi>),
    /// A protocol we never negotiate.
    Other(ProtocolId),
}

impl Delete {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed::Payload(PayloadType::DELETE);
        let mut reader = Reader::new(body);
        let (protocol, spi_len, count) = (ProtocolId(reader.u8()?), reader.u8()?, reader.u16()?);
        let spis = reader.rest();
        match (protocol, spi_len) {
            (ProtocolId::IKE, 0) if count == 0 && spis.is_empty() => Ok(Self::IkeSa),
            (ProtocolId::ESP, 4) if spis.len() == 4 * usize::from(count) => {
                let (spis, _) = spis.as_chunks::<4>();
                Ok(Self::Esp(spis.iter().map(|spi| Spi(u32::from_be_bytes(*spi))).collect()))
            }
            (ProtocolId::IKE | ProtocolId::ESP, _) => Err(malformed),
            (other, _) => Ok(Self::Other(other)),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::IkeSa => out.extend_from_slice(&[ProtocolId::IKE.0, 0, 0, 0]),
            Self::Esp(spis) => {
                out.extend_from_slice(&[ProtocolId::ESP.0, 4]);
                out.extend_from_slice(&u16::try_from(spis.len()).unwrap_or(u16::MAX).to_be_bytes());
                spis.iter().for_each(|spi| out.extend_from_slice(&spi.0.to_be_bytes()));
            }
            Self::Other(protocol) => out.extend_from_slice(&[protocol.0, 0, 0, 0]),
        }
    }
}
