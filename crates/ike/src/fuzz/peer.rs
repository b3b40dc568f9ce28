use super::{
    lie::{Lie, foreign_spis},
    toy::signature,
};
use crate::{
    ExchangeType, HEADER_LEN, Header, IkeSuite, SuitePolicy,
    crypto::{CryptoProvider, Direction, Ephemeral, IkeKeys, MessageCipher, rekeyed_skeyseed, skeyseed},
    exchange::{
        Contents,
        create_child_sa::{ChildSaRequest, CreateChildSaRequest, IkeSaRequest, ike_spi},
        ike_auth::{configuration, signed_octets},
        ike_sa_init::{Abilities, IkeSaInitAnswer, InitAccepted},
    },
    message::{Reassembly, Sealed, Sealer, open, parse_plain},
    payload::{
        Attribute, AttributeType, AuthMethod, Authentication, CertEncoding, Certificate, ConfigurationType,
        Delete, Identification, KeyExchange, KeyExchangeMethod, Notify, NotifyType, Payload, PayloadType,
        Proposal, ProtocolId, TrafficSelector, parse_chain,
    },
};
use ids::{IkeSpi, Spi};
use std::sync::Arc;

/// A peer that holds the keys of its IKE SAs, so that every lie of it is authentic.
pub(crate) struct Peer {
    index: u8,
    speaks_fragments: bool,
    crypto: Arc<dyn CryptoProvider>,
    suites: SuitePolicy,
    begun: Option<Begun>,
    cookie: Option<Vec<u8>>,
    sas: Vec<PeerSa>,
    /// Where it receives, and where the responder does.
    children: Vec<(Spi, Spi)>,
    choice: Choice,
}

/// An IKE_SA_INIT on its way.
struct Begun {
    spi_i: IkeSpi,
    nonce: Vec<u8>,
    ephemeral: Box<dyn Ephemeral>,
    request: Vec<u8>,
}

/// A rekey of the IKE SA on its way.
struct Rekey {
    spi: IkeSpi,
    nonce: Vec<u8>,
    ephemeral: Box<dyn Ephemeral>,
}

/// One IKE SA as this peer sees it.
struct PeerSa {
    spis: (IkeSpi, IkeSpi),
    is_initiator: bool,
    suite: IkeSuite,
    keys: IkeKeys,
    sealer: Sealer,
    opener: MessageCipher,
    reassembly: Reassembly,
    /// Of our next request: behind those that were answered.
    message_id: u32,
    /// What AUTH signs beside the identity: our IKE_SA_INIT, the responder's nonce.
    signs: Option<(Vec<u8>, Vec<u8>)>,
    rekey: Option<Rekey>,
    /// Where we would receive on the CHILD SA that was asked for last.
    child_spi: Spi,
    /// The responder's last request.
    asked: Option<(Header, Contents)>,
}

/// How the next message is sent.
#[derive(Clone, Copy, Default)]
struct Choice {
    older_sa: bool,
    same_id: bool,
    later_id: bool,
}

/// SPIs of an IKE SA whose peer has proven its identity.
pub(crate) type Proof = Option<(IkeSpi, IkeSpi)>;

const MAX_SAS: usize = 8;
const MAX_CHILDREN: usize = 32;
const NONCE: usize = 32;

impl Peer {
    pub(crate) fn new(index: u8, speaks_fragments: bool, crypto: Arc<dyn CryptoProvider>) -> Self {
        Self {
            index,
            speaks_fragments,
            crypto,
            suites: SuitePolicy::default(),
            begun: None,
            cookie: None,
            sas: Vec::new(),
            children: Vec::new(),
            choice: Choice::default(),
        }
    }

    pub(crate) fn choose(&mut self, older_sa: bool, same_id: bool, later_id: bool) {
        self.choice = Choice { older_sa, same_id, later_id };
    }

    /// N(COOKIE), SA, KE, Ni, N(...)
    pub(crate) fn init(&mut self, lie: Lie) -> Vec<u8> {
        let method = [KeyExchangeMethod::CURVE25519, KeyExchangeMethod::ECP_256][usize::from(lie.which >> 7)];
        let Some(ephemeral) = self.crypto.key_exchange(method) else { return Vec::new() };
        let (spi_i, nonce) = (self.draw_ike_spi(), self.random(NONCE));
        let cookie = self.cookie.as_ref().map(|cookie| Payload::notify(NotifyType::COOKIE, cookie));
        let mut payloads: Vec<Payload> = cookie.into_iter().collect();
        payloads.extend([
            Payload::Sa(self.suites.offer_ike(&[])),
            Payload::Ke(KeyExchange { method, data: ephemeral.public_value().to_vec() }),
            Payload::Nonce(nonce.clone()),
        ]);
        let abilities = Abilities::ours(false);
        payloads.extend(abilities.into_iter().skip(usize::from(!self.speaks_fragments)));
        lie.tell(&mut payloads);
        let (first_payload, chain) = lie.chain(&payloads);
        let header = Header { first_payload, ..header((spi_i, IkeSpi(0)), ExchangeType::IKE_SA_INIT) };
        let mut request = Vec::new();
        header.write(u32::try_from(HEADER_LEN + chain.len()).unwrap_or(u32::MAX), &mut request);
        request.extend_from_slice(&chain);
        self.begun = Some(Begun { spi_i, nonce, ephemeral, request: request.clone() });
        request
    }

    /// SK { IDi, CERT, AUTH, CP(CFG_REQUEST), SA, TSi, TSr }, and whether that proves who it is from.
    pub(crate) fn auth(&mut self, lie: Lie) -> (Vec<Vec<u8>>, Proof) {
        self.auth_with(lie, |_| ())
    }

    /// The same, and what else `bend` makes of its payloads.
    pub(crate) fn auth_with(
        &mut self,
        lie: Lie,
        bend: impl FnOnce(&mut Vec<Payload>),
    ) -> (Vec<Vec<u8>>, Proof) {
        let spi = self.draw_esp_spi();
        let (name, suites, index) = (name(self.index), self.suites.clone(), self.index);
        let Some(sa) = self.sa() else { return (Vec::new(), None) };
        let Some((init, nonce_r)) = sa.signs.clone() else { return (Vec::new(), None) };
        let other = |bit: u8| lie.about_identity().is_some_and(|which| which & bit != 0);
        let named = |bit: u8| if other(bit) { self::name((index + 1) % 3) } else { name.clone() };
        let signs = |id: &Identification| signed_octets(sa.suite.prf, &init, &nonce_r, &sa.keys.sk_pi, id);
        let id = Identification::fqdn(&named(1));
        let mut data = signature(named(4).as_bytes(), &signs(&id));
        if other(8) {
            data[0] ^= 1;
        }
        let mut payloads = vec![
            Payload::IdI(id),
            Payload::Cert(Certificate {
                encoding: CertEncoding::X509_SIGNATURE,
                data: named(2).into_bytes(),
            }),
            Payload::Auth(Authentication { method: AuthMethod::DIGITAL_SIGNATURE, data }),
            Payload::Cp(configuration(ConfigurationType::REQUEST, wishes())),
            Payload::Sa(suites.offer_esp(spi, false)),
            Payload::TsI(vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6]),
            Payload::TsR(vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6]),
        ];
        lie.tell(&mut payloads);
        bend(&mut payloads);
        let proves = Contents::sort(payloads.clone()).is_ok_and(|contents| {
            let (Some(id), Some(cert), Some(auth)) = (&contents.id_i, contents.certs.first(), &contents.auth)
            else {
                return false;
            };
            auth.data == signature(&cert.data, &signs(id))
        });
        let proof = proves.then_some(sa.spis);
        sa.child_spi = spi;
        (self.request(ExchangeType::IKE_AUTH, payloads, lie), proof)
    }

    /// SK { [N(REKEY_SA)], SA, Ni, KEi, TSi, TSr }
    pub(crate) fn create_child_sa(&mut self, rekeys: bool, lie: Lie) -> Vec<Vec<u8>> {
        let (spi, nonce, suites) = (self.draw_esp_spi(), self.random(NONCE), self.suites.clone());
        let old = self.children.last().map_or(Spi(0), |(own, _)| *own);
        let Some(ke) = self.key_exchange() else { return Vec::new() };
        let Some(sa) = self.sa() else { return Vec::new() };
        sa.child_spi = spi;
        let mut payloads = Vec::new();
        if rekeys {
            payloads.push(Payload::Notify(Notify::about_esp(NotifyType::REKEY_SA, old)));
        }
        payloads.extend([
            Payload::Sa(suites.offer_esp(spi, true)),
            Payload::Nonce(nonce),
            Payload::Ke(ke.1),
            Payload::TsI(vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6]),
            Payload::TsR(vec![TrafficSelector::ALL_V4, TrafficSelector::ALL_V6]),
        ]);
        lie.tell(&mut payloads);
        self.request(ExchangeType::CREATE_CHILD_SA, payloads, lie)
    }

    /// SK { SA, Ni, KEi }
    pub(crate) fn rekey_ike_sa(&mut self, lie: Lie) -> Vec<Vec<u8>> {
        let (spi, nonce, suites) = (self.draw_ike_spi(), self.random(NONCE), self.suites.clone());
        let Some((ephemeral, ke)) = self.key_exchange() else { return Vec::new() };
        let Some(sa) = self.sa() else { return Vec::new() };
        let mut payloads = vec![
            Payload::Sa(suites.offer_ike(&spi.0.to_be_bytes())),
            Payload::Nonce(nonce.clone()),
            Payload::Ke(ke),
        ];
        sa.rekey = Some(Rekey { spi, nonce, ephemeral });
        lie.tell(&mut payloads);
        self.request(ExchangeType::CREATE_CHILD_SA, payloads, lie)
    }

    /// SK { D }
    pub(crate) fn delete(&mut self, how: u8) -> Vec<Vec<u8>> {
        let own = self.children.iter().map(|(own, _)| *own).collect();
        let delete = match how % 4 {
            0 => Delete::IkeSa,
            1 => Delete::Esp(own),
            2 => Delete::Esp(foreign_spis()),
            _ => Delete::Other(ProtocolId::AH),
        };
        self.inform(vec![Payload::Delete(delete)], Lie::NONE)
    }

    /// SK { ... } of an INFORMATIONAL.
    pub(crate) fn inform(&mut self, mut payloads: Vec<Payload>, lie: Lie) -> Vec<Vec<u8>> {
        lie.tell(&mut payloads);
        self.request(ExchangeType::INFORMATIONAL, payloads, lie)
    }

    /// SK { whatever } of a CREATE_CHILD_SA, or of IKE_AUTH when that has not been.
    pub(crate) fn chain(&mut self, first: PayloadType, chain: &[u8]) -> Vec<Vec<u8>> {
        let exchange = match self.sa() {
            Some(PeerSa { signs: Some(_), message_id: 1, .. }) => ExchangeType::IKE_AUTH,
            _ => ExchangeType::CREATE_CHILD_SA,
        };
        self.seal_request(exchange, first, chain, None)
    }

    /// Answers the responder's last request, or one that it never made.
    pub(crate) fn answer(&mut self, lie: Lie) -> Vec<Vec<u8>> {
        let Some((request, contents)) = self.sa().and_then(|sa| sa.asked.take()) else {
            return self.respond(0, ExchangeType::INFORMATIONAL, Vec::new(), lie);
        };
        let mut payloads = match CreateChildSaRequest::parse(contents) {
            Some(CreateChildSaRequest::ChildSa(request)) => self.accept_child_sa(request),
            Some(CreateChildSaRequest::IkeSa(request)) => self.accept_ike_sa(&request),
            None => None,
        }
        .unwrap_or_default();
        lie.tell(&mut payloads);
        self.respond(request.message_id, request.exchange, payloads, lie)
    }

    fn accept_child_sa(&mut self, request: ChildSaRequest) -> Option<Vec<Payload>> {
        let chosen = self.suites.choose_esp(&request.proposals, request.ke.map(|ke| ke.method))?;
        let own = self.draw_esp_spi();
        self.learn(own, chosen.peer_spi);
        let ephemeral = self.crypto.key_exchange(chosen.key_exchange?)?;
        Some(vec![
            Payload::Sa(vec![chosen.answer(own)]),
            Payload::Nonce(self.random(NONCE)),
            Payload::Ke(KeyExchange {
                method: chosen.key_exchange?,
                data: ephemeral.public_value().to_vec(),
            }),
            Payload::TsI(request.ts_i),
            Payload::TsR(request.ts_r),
        ])
    }

    fn accept_ike_sa(&mut self, request: &IkeSaRequest) -> Option<Vec<Payload>> {
        let (suite, mut chosen) = self.suites.choose_ike(&request.proposals, request.ke.method)?;
        let (spi_i, spi_r) = (request.proposals.first().and_then(ike_spi)?, self.draw_ike_spi());
        let ephemeral = self.crypto.key_exchange(suite.key_exchange)?;
        let secret = ephemeral.agree(&request.ke.data).ok()?;
        let nonce = self.random(NONCE);
        let old = self.sa()?;
        let nonces = (request.nonce.as_slice(), nonce.as_slice());
        let skeyseed = rekeyed_skeyseed(old.suite.prf, &old.keys.sk_d, &secret, nonces);
        self.hold(PeerSa::new(suite, &skeyseed, nonces, (spi_i, spi_r), false));
        chosen.spi = spi_r.0.to_be_bytes().to_vec();
        let ke = KeyExchange { method: suite.key_exchange, data: ephemeral.public_value().to_vec() };
        Some(vec![Payload::Sa(vec![chosen]), Payload::Nonce(nonce), Payload::Ke(ke)])
    }

    /// What the responder sends to anyone.
    pub(crate) fn on_datagram(&mut self, datagram: &[u8]) {
        let Ok(header) = Header::parse(datagram) else { return };
        if header.exchange == ExchangeType::IKE_SA_INIT {
            return self.on_init_answer(&header, datagram);
        }
        let Some((index, contents)) = self.read(&header, datagram) else { return };
        if header.is_response {
            self.sas[index].message_id = header.message_id.saturating_add(1);
            self.on_answer(index, &contents);
        } else {
            self.sas[index].asked = Some((header, contents));
        }
    }

    /// What a datagram says under the IKE SA of that place, once it is whole.
    pub(crate) fn read(&mut self, header: &Header, datagram: &[u8]) -> Option<(usize, Contents)> {
        let spis = (header.spi_i, header.spi_r);
        let index = self.sas.iter().position(|sa| sa.spis == spis)?;
        self.sas[index].read(header, datagram).map(|contents| (index, contents))
    }

    fn on_init_answer(&mut self, header: &Header, datagram: &[u8]) {
        let Some(begun) = self.begun.as_ref().filter(|begun| begun.spi_i == header.spi_i) else { return };
        let contents = parse_plain(header, datagram).and_then(Contents::sort).unwrap_or_default();
        match IkeSaInitAnswer::parse(contents) {
            Some(IkeSaInitAnswer::Cookie(cookie)) => self.cookie = Some(cookie),
            Some(IkeSaInitAnswer::Accepted(accepted)) => {
                let sa = begun.finish(&accepted, header.spi_r, &self.suites);
                sa.into_iter().for_each(|sa| self.hold(sa));
            }
            Some(IkeSaInitAnswer::InvalidKe(_) | IkeSaInitAnswer::Refused(_)) | None => {}
        }
    }

    fn on_answer(&mut self, index: usize, contents: &Contents) {
        let never = [NotifyType::USE_TRANSPORT_MODE, NotifyType::MOBIKE_SUPPORTED, NotifyType::COOKIE2];
        assert!(!never.into_iter().any(|kind| contents.has(kind)), "it agrees to what is never agreed to");
        let Some(proposal) = contents.sa.as_ref().and_then(|proposals| proposals.first()) else { return };
        if let Ok(spi) = proposal.spi.as_slice().try_into().map(u32::from_be_bytes) {
            let own = self.sas[index].child_spi;
            return self.learn(own, Spi(spi));
        }
        let renewed = self.sas[index].finish_rekey(proposal, contents, &self.suites);
        renewed.into_iter().for_each(|sa| self.hold(sa));
    }

    fn learn(&mut self, own: Spi, responders: Spi) {
        if self.children.len() == MAX_CHILDREN {
            self.children.remove(0);
        }
        self.children.push((own, responders));
    }

    fn hold(&mut self, sa: PeerSa) {
        if self.sas.len() == MAX_SAS {
            self.sas.remove(0);
        }
        self.sas.push(sa);
    }

    /// The IKE SA that the next message goes under.
    fn sa(&mut self) -> Option<&mut PeerSa> {
        let back = usize::from(self.choice.older_sa);
        self.sas.iter_mut().rev().nth(back)
    }

    fn request(&mut self, exchange: ExchangeType, payloads: Vec<Payload>, lie: Lie) -> Vec<Vec<u8>> {
        let (first, chain) = lie.chain(&payloads);
        self.seal_request(exchange, first, &chain, lie.limit())
    }

    fn seal_request(
        &mut self,
        exchange: ExchangeType,
        first: PayloadType,
        chain: &[u8],
        limit: Option<usize>,
    ) -> Vec<Vec<u8>> {
        let (choice, crypto) = (self.choice, Arc::clone(&self.crypto));
        let Some(sa) = self.sa() else { return Vec::new() };
        let message_id = match choice {
            Choice { same_id: true, .. } => sa.message_id.saturating_sub(1),
            Choice { later_id: true, .. } => sa.message_id.saturating_add(1),
            Choice { .. } => sa.message_id,
        };
        let header = Header { from_initiator: sa.is_initiator, message_id, ..header(sa.spis, exchange) };
        sa.sealer.seal_chain(header, first, chain, limit, crypto.as_ref())
    }

    fn respond(
        &mut self,
        message_id: u32,
        exchange: ExchangeType,
        payloads: Vec<Payload>,
        lie: Lie,
    ) -> Vec<Vec<u8>> {
        let crypto = Arc::clone(&self.crypto);
        let Some(sa) = self.sa() else { return Vec::new() };
        let (first, chain) = lie.chain(&payloads);
        let from_initiator = sa.is_initiator;
        let header = Header { from_initiator, is_response: true, message_id, ..header(sa.spis, exchange) };
        sa.sealer.seal_chain(header, first, &chain, lie.limit(), crypto.as_ref())
    }

    fn key_exchange(&mut self) -> Option<(Box<dyn Ephemeral>, KeyExchange)> {
        let method = self.sa()?.suite.key_exchange;
        let ephemeral = self.crypto.key_exchange(method)?;
        let ke = KeyExchange { method, data: ephemeral.public_value().to_vec() };
        Some((ephemeral, ke))
    }

    fn random(&self, length: usize) -> Vec<u8> {
        let mut octets = vec![0; length];
        self.crypto.random(&mut octets);
        octets
    }

    fn draw_ike_spi(&self) -> IkeSpi {
        let mut octets = [0; 8];
        self.crypto.random(&mut octets);
        IkeSpi(u64::from_be_bytes(octets) | 1)
    }

    fn draw_esp_spi(&self) -> Spi {
        let mut octets = [0; 4];
        self.crypto.random(&mut octets);
        Spi(u32::from_be_bytes(octets) | 0x100)
    }
}

impl Begun {
    fn finish(&self, accepted: &InitAccepted, spi_r: IkeSpi, suites: &SuitePolicy) -> Option<PeerSa> {
        let suite = IkeSuite::from_answer(&accepted.proposals, suites)?;
        let secret = self.ephemeral.agree(&accepted.ke.data).ok()?;
        let nonces = (self.nonce.as_slice(), accepted.nonce.as_slice());
        let skeyseed = skeyseed(suite.prf, nonces, &secret);
        let sa = PeerSa::new(suite, &skeyseed, nonces, (self.spi_i, spi_r), true);
        Some(PeerSa { message_id: 1, signs: Some((self.request.clone(), accepted.nonce.clone())), ..sa })
    }
}

impl PeerSa {
    fn new(
        suite: IkeSuite,
        skeyseed: &[u8],
        nonces: (&[u8], &[u8]),
        spis: (IkeSpi, IkeSpi),
        is_initiator: bool,
    ) -> Self {
        let keys = IkeKeys::derive(&suite, skeyseed, nonces, spis);
        let (ours, responders) = if is_initiator {
            (Direction::FromInitiator, Direction::FromResponder)
        } else {
            (Direction::FromResponder, Direction::FromInitiator)
        };
        Self {
            spis,
            is_initiator,
            suite,
            sealer: Sealer::new(MessageCipher::new(suite.cipher, &keys, ours)),
            opener: MessageCipher::new(suite.cipher, &keys, responders),
            keys,
            reassembly: Reassembly::default(),
            message_id: 0,
            signs: None,
            rekey: None,
            child_spi: Spi(0),
            asked: None,
        }
    }

    fn read(&mut self, header: &Header, datagram: &[u8]) -> Option<Contents> {
        let sealed = Sealed::find(header, datagram).ok()?;
        let plain = open(&self.opener, datagram, &sealed).ok()?;
        let (first, chain) = match sealed.fragment {
            None => (sealed.first_inner, plain),
            Some(number) => self.reassembly.take(&sealed, number, plain)?,
        };
        self.reassembly = Reassembly::default();
        parse_chain(first, &chain).and_then(Contents::sort).ok()
    }

    fn finish_rekey(&mut self, chosen: &Proposal, contents: &Contents, suites: &SuitePolicy) -> Option<Self> {
        let rekey = self.rekey.take()?;
        let suite = IkeSuite::from_answer(std::slice::from_ref(chosen), suites)?;
        let spis = (rekey.spi, ike_spi(chosen)?);
        let secret = rekey.ephemeral.agree(&contents.ke.as_ref()?.data).ok()?;
        let nonces = (rekey.nonce.as_slice(), contents.nonce.as_deref()?);
        let skeyseed = rekeyed_skeyseed(self.suite.prf, &self.keys.sk_d, &secret, nonces);
        Some(Self::new(suite, &skeyseed, nonces, spis, true))
    }
}

fn header((spi_i, spi_r): (IkeSpi, IkeSpi), exchange: ExchangeType) -> Header {
    Header {
        spi_i,
        spi_r,
        first_payload: PayloadType::NONE,
        exchange,
        from_initiator: true,
        is_response: false,
        message_id: 0,
    }
}

/// An address of its own choice, and where it is seen from.
fn wishes() -> Vec<Attribute> {
    let attribute = |kind, value: &[u8]| Attribute { kind, value: value.to_vec() };
    vec![
        attribute(AttributeType::INTERNAL_IP4_ADDRESS, &[203, 0, 113, 9]),
        attribute(AttributeType::INTERNAL_IP6_ADDRESS, &[0x20; 17]),
        attribute(AttributeType::EXTERNAL_SOURCE_IP4_NAT_INFO, &[]),
    ]
}

fn name(index: u8) -> String {
    format!("00a0c612340{index}.femto.example")
}
