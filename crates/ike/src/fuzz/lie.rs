use crate::payload::{
    AuthMethod, CertEncoding, Delete, KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload,
    PayloadType, Proposal, ProtocolId, TrafficSelector, write_chain,
};
use ids::Spi;
use std::net::Ipv4Addr;

/// How a peer departs from the protocol in one message.
///
/// `how`: bits 0 to 3 which lie, 0 for none; bit 4: an unknown payload comes first, bit 5: it is critical;
/// bits 6 and 7: whole, in fragments, in very short ones, or cut off. `which`: what the lie is about.
#[derive(Clone, Copy)]
pub(crate) struct Lie {
    pub(crate) how: u8,
    pub(crate) which: u8,
}

impl Lie {
    pub(crate) const NONE: Self = Self { how: 0, which: 0 };

    /// IKE_AUTH in the name of another, or without proof; [`Self::tell`] leaves the rest as it is.
    pub(crate) fn about_identity(self) -> Option<u8> {
        (self.how & 0x0f == 15).then_some(self.which)
    }

    /// The payloads as the peer sends them.
    pub(crate) fn tell(self, payloads: &mut Vec<Payload>) {
        let at = usize::from(self.which) % payloads.len().max(1);
        match self.how & 0x0f {
            1 if !payloads.is_empty() => drop(payloads.remove(at)),
            2 => payloads.extend(payloads.get(at).cloned()),
            3 => payloads.rotate_left(at),
            4 => payloads.clear(),
            5 => payloads.push(Payload::Notify(self.notify())),
            6 => payloads.push(Payload::Delete(Delete::IkeSa)),
            7 => payloads.push(Payload::Eap),
            8 => payloads.extend(std::iter::repeat_n(Payload::VendorId(vec![self.which; 40]), 70)),
            9 => payloads.insert(0, Payload::Notify(self.foreign_rekey())),
            10 => payloads.iter_mut().for_each(|payload| self.bend_key_exchange(payload)),
            11 => payloads.iter_mut().for_each(|payload| self.bend_proposals(payload)),
            12 => payloads.iter_mut().for_each(|payload| self.bend_selectors(payload)),
            13 => payloads.iter_mut().for_each(|payload| self.bend_authentication(payload)),
            14 => payloads.iter_mut().for_each(|payload| self.bend_nonce(payload)),
            _ => {}
        }
    }

    /// The chain of payloads as the peer sends it, and the type of its first.
    pub(crate) fn chain(self, payloads: &[Payload]) -> (PayloadType, Vec<u8>) {
        let mut chain = Vec::new();
        let mut first = write_chain(payloads, &mut chain);
        if self.how & 0x10 != 0 {
            let critical = if self.how & 0x20 == 0 { 0 } else { 0x80 };
            chain.splice(0..0, [first.0, critical, 0, 6, self.which, 0]);
            first = PayloadType(200);
        }
        if self.how & 0xc0 == 0xc0 {
            chain.truncate(usize::from(self.which) * 2);
        }
        (first, chain)
    }

    /// Octets of its fragments, if it comes in such.
    pub(crate) fn limit(self) -> Option<usize> {
        match self.how & 0xc0 {
            0x40 => Some(250),
            0x80 => Some(130),
            _ => None,
        }
    }

    fn notify(self) -> Notify {
        let kinds = [
            NotifyType::AUTHENTICATION_FAILED,
            NotifyType::INVALID_SYNTAX,
            NotifyType::INITIAL_CONTACT,
            NotifyType::TEMPORARY_FAILURE,
            NotifyType::CHILD_SA_NOT_FOUND,
            NotifyType::NO_ADDITIONAL_SAS,
            NotifyType::NO_PROPOSAL_CHOSEN,
            NotifyType::INVALID_KE_PAYLOAD,
            NotifyType::COOKIE,
            NotifyType::USE_TRANSPORT_MODE,
            NotifyType::MOBIKE_SUPPORTED,
            NotifyType::UPDATE_SA_ADDRESSES,
            NotifyType::REKEY_SA,
            NotifyType::PPK_IDENTITY,
            NotifyType::TS_UNACCEPTABLE,
            NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
        ];
        let kind = kinds[usize::from(self.which) % kinds.len()];
        let methods = [KeyExchangeMethod::ECP_256, KeyExchangeMethod::CURVE25519, KeyExchangeMethod(0)];
        let wanted = methods[usize::from(self.which / 16) % methods.len()];
        Notify::new(kind, &wanted.0.to_be_bytes())
    }

    fn foreign_rekey(self) -> Notify {
        let protocol = ProtocolId(self.which % 4);
        let spi = vec![self.which; if self.which & 0x10 == 0 { 4 } else { 8 }];
        Notify { protocol, spi, ..Notify::new(NotifyType::REKEY_SA, &[]) }
    }

    fn bend_key_exchange(self, payload: &mut Payload) {
        let Payload::Ke(ke) = payload else { return };
        match self.which % 5 {
            0 => ke.data.fill(0),
            1 => ke.data.truncate(1),
            2 => ke.data.push(0),
            3 => *ke = KeyExchange { method: KeyExchangeMethod::ECP_256, data: vec![4; 64] },
            _ => ke.method = KeyExchangeMethod::MODP_2048,
        }
    }

    fn bend_proposals(self, payload: &mut Payload) {
        let Payload::Sa(proposals) = payload else { return };
        let all =
            |proposals: &mut Vec<Proposal>, bend: &dyn Fn(&mut Proposal)| proposals.iter_mut().for_each(bend);
        match self.which % 6 {
            0 => proposals.clear(),
            1 => all(proposals, &|proposal| proposal.spi.clear()),
            2 => all(proposals, &|proposal| proposal.spi.fill(0)),
            3 => all(proposals, &|proposal| proposal.protocol = ProtocolId::AH),
            4 => all(proposals, &|proposal| proposal.transforms.truncate(1)),
            _ => all(proposals, &|proposal| proposal.protocol = ProtocolId(4 - proposal.protocol.0.min(4))),
        }
    }

    fn bend_selectors(self, payload: &mut Payload) {
        let spared = match self.which & 0xc0 {
            0x40 => PayloadType::TS_R,
            0x80 => PayloadType::TS_I,
            _ => PayloadType::NONE,
        };
        if payload.kind() == spared {
            return;
        }
        let (Payload::TsI(selectors) | Payload::TsR(selectors)) = payload else { return };
        let foreign = TrafficSelector::host(Ipv4Addr::new(203, 0, 113, 9).into());
        match self.which % 4 {
            0 => *selectors = vec![foreign],
            1 => *selectors = vec![TrafficSelector { protocol: 17, ports: (u16::MAX, 0), ..foreign }],
            2 => *selectors = vec![TrafficSelector::ALL_V6; 200],
            _ => selectors.iter_mut().for_each(|selector| selector.protocol = self.which),
        }
    }

    fn bend_authentication(self, payload: &mut Payload) {
        match (self.which % 6, payload) {
            (0, Payload::Auth(auth)) => auth.method = AuthMethod::SHARED_KEY,
            (1, Payload::Auth(auth)) => auth.method = AuthMethod::NULL,
            (2, Payload::Auth(auth)) => auth.method = AuthMethod::RSA_SHA1,
            (3, Payload::Auth(auth)) => auth.data.push(0),
            (4, Payload::Cert(cert)) => cert.encoding = HASH_AND_URL,
            (5, Payload::Cert(cert)) => cert.encoding = RAW_PUBLIC_KEY,
            _ => {}
        }
    }

    fn bend_nonce(self, payload: &mut Payload) {
        let Payload::Nonce(nonce) = payload else { return };
        nonce.resize(usize::from(self.which) + 1, 0);
    }
}

/// Hash and URL of an X.509 certificate (RFC 7296 §3.6).
const HASH_AND_URL: CertEncoding = CertEncoding(12);
/// Raw public key (RFC 7670).
const RAW_PUBLIC_KEY: CertEncoding = CertEncoding(15);

/// SPIs that belong to nobody, or to nobody here.
pub(crate) fn foreign_spis() -> Vec<Spi> {
    [0, 1, 255, 0xffff_ffff].map(Spi).to_vec()
}
