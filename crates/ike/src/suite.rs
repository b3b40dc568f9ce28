use crate::{
    crypto::PrfAlgorithm,
    payload::{
        Encr, Integ, KeyExchangeMethod, Prf, Proposal, ProtocolId, SequenceNumbers, Transform, TransformType,
    },
};

/// Encryption and integrity, for IKE messages and for ESP alike. Nothing weaker exists here: DES,
/// 3DES, NULL, MD5 and SHA-1 have no value of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// AES-GCM with a 16-octet ICV, 128-bit key.
    Aes128Gcm16,
    /// AES-GCM with a 16-octet ICV, 256-bit key.
    Aes256Gcm16,
    /// AES-CBC with a 128-bit key, HMAC-SHA-256-128.
    Aes128CbcHmacSha256,
    /// AES-CBC with a 256-bit key, HMAC-SHA-256-128.
    Aes256CbcHmacSha256,
}

impl CipherSuite {
    /// All of them, best first.
    pub const ALL: [Self; 4] =
        [Self::Aes256Gcm16, Self::Aes128Gcm16, Self::Aes256CbcHmacSha256, Self::Aes128CbcHmacSha256];

    /// As configurations and answers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm16 => "aes256gcm16",
            Self::Aes128Gcm16 => "aes128gcm16",
            Self::Aes256CbcHmacSha256 => "aes256-sha256",
            Self::Aes128CbcHmacSha256 => "aes128-sha256",
        }
    }

    /// Encrypts and authenticates in one.
    pub fn is_aead(self) -> bool {
        matches!(self, Self::Aes128Gcm16 | Self::Aes256Gcm16)
    }

    /// Octets of AES key.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes128CbcHmacSha256 => 16,
            Self::Aes256Gcm16 | Self::Aes256CbcHmacSha256 => 32,
        }
    }

    /// Octets of keying material for encryption: the key, and for GCM 4 octets of salt behind it.
    pub fn keymat_len(self) -> usize {
        self.key_len() + if self.is_aead() { 4 } else { 0 }
    }

    /// Octets of integrity key.
    pub fn integ_key_len(self) -> usize {
        if self.is_aead() { 0 } else { 32 }
    }

    fn encr(self) -> Transform {
        let encr = if self.is_aead() { Encr::AES_GCM_16 } else { Encr::AES_CBC };
        Transform::encr(encr, if self.key_len() == 16 { 128 } else { 256 })
    }

    fn integ(self) -> Option<Transform> {
        (!self.is_aead()).then(|| Transform::new(TransformType::INTEG, Integ::HMAC_SHA2_256_128.0))
    }

    /// `proposal` offers exactly this. An AEAD goes with no integrity transform or with NONE (§3.3.3).
    fn is_offered_by(self, proposal: &Proposal) -> bool {
        let integ_fits = match self.integ() {
            Some(integ) => proposal.of(TransformType::INTEG).any(|offered| *offered == integ),
            None => {
                let mut offered = proposal.of(TransformType::INTEG).peekable();
                offered.peek().is_none() || offered.any(|offered| offered.id == Integ::NONE.0)
            }
        };
        integ_fits && proposal.of(TransformType::ENCR).any(|offered| *offered == self.encr())
    }
}

/// What one IKE SA runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeSuite {
    /// Protects its messages.
    pub cipher: CipherSuite,
    pub(crate) prf: PrfAlgorithm,
    /// How its secret was agreed.
    pub key_exchange: KeyExchangeMethod,
}

/// What one side of a negotiation accepts, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuitePolicy {
    /// For IKE messages and ESP.
    pub ciphers: Vec<CipherSuite>,
    /// PRFs.
    pub prfs: Vec<Prf>,
    /// Key exchange methods.
    pub key_exchanges: Vec<KeyExchangeMethod>,
}

impl Default for SuitePolicy {
    /// TS 33.210 and RFC 8247 as of today, less what they only tolerate.
    fn default() -> Self {
        Self {
            ciphers: CipherSuite::ALL.to_vec(),
            prfs: vec![Prf::HMAC_SHA2_256, Prf::HMAC_SHA2_384],
            key_exchanges: vec![
                KeyExchangeMethod::CURVE25519,
                KeyExchangeMethod::ECP_256,
                KeyExchangeMethod::ECP_384,
                KeyExchangeMethod::MODP_2048,
            ],
        }
    }
}

impl SuitePolicy {
    /// Chooses from an IKE offer: our best cipher, then our best PRF, and the method that the KE
    /// payload already has if we take it, else our best. Returns the proposal to answer with.
    pub fn choose_ike(&self, offer: &[Proposal], sent: KeyExchangeMethod) -> Option<(IkeSuite, Proposal)> {
        let candidates =
            self.ciphers.iter().flat_map(|cipher| offer.iter().map(move |proposal| (*cipher, proposal)));
        candidates
            .filter(|(cipher, proposal)| {
                proposal.protocol == ProtocolId::IKE && cipher.is_offered_by(proposal)
            })
            .find_map(|(cipher, proposal)| {
                let prf = self.prfs.iter().find(|prf| offers(proposal, TransformType::PRF, prf.0))?;
                let key_exchange = self.choose_key_exchange(proposal, sent)?;
                let suite = IkeSuite { cipher, prf: PrfAlgorithm::from_transform(*prf)?, key_exchange };
                Some((suite, suite.answer(proposal)))
            })
    }

    fn choose_key_exchange(&self, proposal: &Proposal, sent: KeyExchangeMethod) -> Option<KeyExchangeMethod> {
        let mut shared =
            self.key_exchanges.iter().copied().filter(|method| offers(proposal, TransformType::KE, method.0));
        if shared.clone().any(|method| method == sent) { Some(sent) } else { shared.next() }
    }

    /// Chooses from an ESP offer. `sent` is the method of the KE payload, `None` in IKE_AUTH, where a
    /// CHILD SA has no key exchange of its own. With a KE payload PFS is obligatory.
    pub fn choose_esp(&self, offer: &[Proposal], sent: Option<KeyExchangeMethod>) -> Option<ChosenEsp> {
        let candidates =
            self.ciphers.iter().flat_map(|cipher| offer.iter().map(move |proposal| (*cipher, proposal)));
        candidates
            .filter(|(cipher, proposal)| {
                proposal.protocol == ProtocolId::ESP && cipher.is_offered_by(proposal)
            })
            .find_map(|(cipher, proposal)| {
                let key_exchange = match sent {
                    Some(sent) => Some(self.choose_key_exchange(proposal, sent)?),
                    None => None,
                };
                let esn = choose_esn(proposal)?;
                let spi = proposal.spi.as_slice().try_into().ok().map(u32::from_be_bytes)?;
                let chosen = EspSuite { cipher, esn };
                Some(ChosenEsp {
                    suite: chosen,
                    key_exchange,
                    number: proposal.number,
                    peer_spi: ids::Spi(spi),
                })
            })
    }

    /// One IKE offer: a proposal for the AEADs, one for the rest. `spi` is empty in IKE_SA_INIT.
    pub fn offer_ike(&self, spi: &[u8]) -> Vec<Proposal> {
        self.offer(ProtocolId::IKE, spi, |transforms| {
            transforms.extend(self.prfs.iter().map(|prf| Transform::new(TransformType::PRF, prf.0)));
            transforms.extend(self.key_exchanges.iter().map(|method| Transform::ke(*method)));
        })
    }

    /// One ESP offer, with ESN preferred; with key exchange methods when `pfs`.
    pub fn offer_esp(&self, spi: ids::Spi, pfs: bool) -> Vec<Proposal> {
        self.offer(ProtocolId::ESP, &spi.0.to_be_bytes(), |transforms| {
            if pfs {
                transforms.extend(self.key_exchanges.iter().map(|method| Transform::ke(*method)));
            }
            transforms.push(Transform::new(TransformType::SN, SequenceNumbers::SEQUENTIAL_64.0));
            transforms.push(Transform::new(TransformType::SN, SequenceNumbers::SEQUENTIAL_32.0));
        })
    }

    fn offer(&self, protocol: ProtocolId, spi: &[u8], rest: impl Fn(&mut Vec<Transform>)) -> Vec<Proposal> {
        let mut proposals: Vec<Proposal> = Vec::new();
        for aead in [true, false] {
            let ciphers: Vec<_> = self.ciphers.iter().filter(|cipher| cipher.is_aead() == aead).collect();
            let Some(first) = ciphers.first() else { continue };
            let mut transforms: Vec<_> = ciphers.iter().map(|cipher| cipher.encr()).collect();
            transforms.extend(first.integ());
            rest(&mut transforms);
            let number = u8::try_from(proposals.len() + 1).unwrap_or(u8::MAX);
            proposals.push(Proposal { number, protocol, spi: spi.to_vec(), transforms });
        }
        proposals
    }
}

/// ESN if it is offered; a proposal must say which kinds it takes (RFC 7296 §3.3.3).
fn choose_esn(proposal: &Proposal) -> Option<bool> {
    let takes = |numbers: SequenceNumbers| offers(proposal, TransformType::SN, numbers.0);
    if takes(SequenceNumbers::SEQUENTIAL_64) {
        return Some(true);
    }
    takes(SequenceNumbers::SEQUENTIAL_32).then_some(false)
}

fn offers(proposal: &Proposal, kind: TransformType, id: u16) -> bool {
    proposal.of(kind).any(|offered| *offered == Transform::new(kind, id))
}

impl IkeSuite {
    /// The proposal that accepts this suite out of `offered`; its SPI is set by the caller.
    fn answer(&self, offered: &Proposal) -> Proposal {
        let prf = match self.prf {
            PrfAlgorithm::HmacSha256 => Prf::HMAC_SHA2_256,
            PrfAlgorithm::HmacSha384 => Prf::HMAC_SHA2_384,
        };
        let mut transforms = vec![self.cipher.encr(), Transform::new(TransformType::PRF, prf.0)];
        transforms.extend(self.cipher.integ());
        transforms.push(Transform::ke(self.key_exchange));
        Proposal { number: offered.number, protocol: ProtocolId::IKE, spi: Vec::new(), transforms }
    }

    /// Reads the single proposal of an answer; `None` unless it is one that `policy` offers.
    pub fn from_answer(answer: &[Proposal], policy: &SuitePolicy) -> Option<Self> {
        let [chosen] = answer else { return None };
        let method = KeyExchangeMethod(chosen.of(TransformType::KE).next()?.id);
        let (suite, canonical) = policy.choose_ike(answer, method)?;
        (canonical.transforms.len() == chosen.transforms.iter().filter(|t| !is_no_integ(t)).count())
            .then_some(suite)
    }
}

fn is_no_integ(transform: &Transform) -> bool {
    transform.kind == TransformType::INTEG && transform.id == Integ::NONE.0
}

/// What one ESP SA runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EspSuite {
    /// Encryption and integrity.
    pub cipher: CipherSuite,
    /// 64-bit sequence numbers (RFC 4303 §2.2.1).
    pub esn: bool,
}

/// The outcome of an ESP negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenEsp {
    /// What was chosen.
    pub suite: EspSuite,
    /// Of a CREATE_CHILD_SA; `None` in IKE_AUTH.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// Number of the offered proposal.
    pub number: u8,
    /// Where the peer receives.
    pub peer_spi: ids::Spi,
}

impl ChosenEsp {
    /// The proposal that accepts this choice; `own_spi` is where we receive.
    pub fn answer(&self, own_spi: ids::Spi) -> Proposal {
        let mut transforms = vec![self.suite.cipher.encr()];
        transforms.extend(self.suite.cipher.integ());
        transforms.extend(self.key_exchange.map(Transform::ke));
        let sequence =
            if self.suite.esn { SequenceNumbers::SEQUENTIAL_64 } else { SequenceNumbers::SEQUENTIAL_32 };
        transforms.push(Transform::new(TransformType::SN, sequence.0));
        Proposal {
            number: self.number,
            protocol: ProtocolId::ESP,
            spi: own_spi.0.to_be_bytes().to_vec(),
            transforms,
        }
    }
}

#[cfg(test)]
mod tests;
