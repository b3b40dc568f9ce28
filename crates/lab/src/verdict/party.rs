//! Who holds the unit's key, where, and how that looks from the gate.

use super::{
    Fed,
    draws::Draws,
    rates::{
        CLASS_WRONG, COPY_FOREIGN, COPY_OWN, LINE_FILLED, LINE_LAG, LINE_MENDED, LINE_MISSING, LINE_ON,
        LINE_TWO, LINE_WRONG, TRAIL_QUIET,
    },
};
use admission::{Claim, Evidence, Fingerprint, IkeSpis, Lineage, Missing, Outer, Revocation};
use ids::{AccessLine, CertSha256, DeviceId, IkeSpi, SourceClass, UnixTime};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Unit,
    Copy,
}

/// What one says to the management system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// What the unit says.
    AsTheUnit,
    /// The same, but that it hears other cells around it.
    FromElsewhere,
    /// Nothing: it is other software.
    Nothing,
}

pub(super) struct Party {
    pub(super) on: bool,
    /// It stays off whatever happens.
    pub(super) is_kept_off: bool,
    /// Claims that were planned before something changed come to nothing.
    pub(super) plan: u64,
    /// Refused so many times in a row.
    pub(super) refused: u32,
    pub(super) place: Place,
    pub(super) make: u32,
    pub(super) speaks: Speaks,
    /// The management system knows its firmware.
    pub(super) firmware_is_known: bool,
    /// Its handsets are those of the site.
    pub(super) at_site: bool,
    /// Too few handsets come by.
    pub(super) is_quiet: bool,
    /// When its first report since it was switched on is there.
    pub(super) reports_from: UnixTime,
}

impl Party {
    pub(super) fn new(place: Place, make: u32, draws: &mut Draws) -> Self {
        Self {
            on: false,
            is_kept_off: false,
            plan: 0,
            refused: 0,
            place,
            make,
            speaks: Speaks::AsTheUnit,
            firmware_is_known: true,
            at_site: true,
            is_quiet: draws.happens(TRAIL_QUIET),
            reports_from: UnixTime::default(),
        }
    }
}

/// A point of the network, and what the carrier's lists have about it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    line: AccessLine,
    class: SourceClass,
    class_is_wrong: bool,
    lags_until: UnixTime,
    known_from: UnixTime,
    wrong_until: UnixTime,
    /// The line that a wrong row names has an address of its own.
    other_is_on: bool,
    /// The end of the session before this one is missing.
    lingers: bool,
    /// Its line has another address.
    has_two: bool,
}

/// The line that the ledger has for the unit.
pub(super) struct Home<'a> {
    pub(super) line: Option<&'a AccessLine>,
    /// Nothing there has power.
    pub(super) is_off: bool,
}

impl Place {
    /// An address that a line of the carrier gets now.
    pub(super) fn of_line(line: &AccessLine, draws: &mut Draws, now: UnixTime) -> Self {
        let address = Ipv4Addr::from(0x5000_0000 + draws.below(1 << 24));
        Self::with(IpAddr::V4(address), line, SourceClass::OwnFixed, draws, now)
    }

    /// The same of its other stack.
    pub(super) fn of_other_stack(line: &AccessLine, draws: &mut Draws, now: UnixTime) -> Self {
        let prefix = (0x2001_0db8 << 96) | (u128::from(draws.below(1 << 24)) << 64);
        Self::with(IpAddr::V6(Ipv6Addr::from(prefix + 1)), line, SourceClass::OwnFixed, draws, now)
    }

    /// Somewhere else.
    pub(super) fn elsewhere(draws: &mut Draws, now: UnixTime) -> Self {
        let address = Ipv4Addr::from(0x6000_0000 + draws.below(1 << 24));
        let class = if draws.happens(COPY_OWN) {
            SourceClass::OwnFixed
        } else if draws.happens(COPY_FOREIGN) {
            SourceClass::Foreign
        } else {
            SourceClass::Mobile
        };
        Self::with(IpAddr::V4(address), &line("elsewhere"), class, draws, now).had_for_long()
    }

    fn with(
        address: IpAddr,
        line: &AccessLine,
        class: SourceClass,
        draws: &mut Draws,
        now: UnixTime,
    ) -> Self {
        let is_missing = draws.happens(LINE_MISSING);
        let missing = if is_missing { draws.minutes(LINE_FILLED) } else { Duration::ZERO };
        let wrong = if draws.happens(LINE_WRONG) { draws.minutes(LINE_MENDED) } else { Duration::ZERO };
        let lag = draws.minutes(LINE_LAG);
        let class_is_wrong = draws.happens(CLASS_WRONG);
        let class = if class_is_wrong { misread(class, draws) } else { class };
        Self {
            address: SocketAddr::new(address, port(draws)),
            line: line.clone(),
            class,
            class_is_wrong,
            lags_until: now.after(lag),
            known_from: now.after(missing),
            wrong_until: now.after(missing + wrong),
            other_is_on: draws.happens(LINE_ON),
            lingers: draws.happens(LINE_MISSING),
            has_two: draws.happens(LINE_TWO),
        }
    }

    /// When the feed says something else of it.
    pub(super) fn feed_says(&self) -> [UnixTime; 3] {
        [self.lags_until, self.known_from, self.wrong_until]
    }

    pub(super) fn rebind(&mut self, draws: &mut Draws) {
        self.address.set_port(port(draws));
    }

    /// The same place, as another device behind it has it.
    pub(super) fn beside(&self, draws: &mut Draws) -> Self {
        let mut beside = self.clone();
        beside.rebind(draws);
        beside
    }

    /// The feed has caught up with it long ago.
    pub(super) fn had_for_long(mut self) -> Self {
        self.lags_until = UnixTime::default();
        self
    }

    /// A list that the carrier has says something about it now that is not so.
    pub(super) fn is_misread(&self, now: UnixTime) -> bool {
        self.class_is_wrong || now < self.wrong_until
    }

    /// As `records::line::LineTable::is_doubtful`: the line that is named has another address, and the unit's has none.
    fn is_doubtful(&self, home: &Home<'_>, now: UnixTime) -> bool {
        let (is_home, is_wrong) = (home.line == Some(&self.line), now < self.wrong_until);
        let named_has_another = if is_wrong { self.other_is_on } else { !is_home && self.has_two };
        let home_has_another = if is_home { self.lingers || self.has_two } else { !home.is_off };
        named_has_another && !home_has_another
    }

    fn outer(&self, fed: Fed, home: &Home<'_>, now: UnixTime) -> Outer {
        let line = match () {
            () if !fed.line => Evidence::Missing(Missing::NotGathered),
            () if now < self.known_from.max(self.lags_until) => Evidence::Missing(Missing::Stale),
            () if self.is_doubtful(home, now) => Evidence::Missing(Missing::Doubtful),
            () if now < self.wrong_until => Evidence::seen(line("somebody-else"), "line-feed", now),
            () => Evidence::seen(self.line.clone(), "line-feed", now),
        };
        let class = Evidence::seen(self.class, "networks", now);
        Outer { address: self.address, class, line, place: Evidence::Missing(Missing::NotGathered) }
    }
}

fn port(draws: &mut Draws) -> u16 {
    1024 + draws.below(60_000) as u16
}

fn misread(class: SourceClass, draws: &mut Draws) -> SourceClass {
    let others: Vec<_> = SourceClass::ALL.into_iter().filter(|other| *other != class).collect();
    others[draws.below(others.len() as u32) as usize]
}

#[allow(clippy::expect_used, reason = "names of ours")]
pub(super) fn line(name: &str) -> AccessLine {
    name.parse().expect("a name of a line")
}

/// What everybody sees of a claim that comes from there.
pub(super) fn claim(
    party: &Party,
    device: DeviceId,
    cert: CertSha256,
    home: &Home<'_>,
    fed: Fed,
    now: UnixTime,
) -> Claim {
    Claim {
        device,
        idi: "020000000001.femto.operator.example".into(),
        cert_sha256: cert,
        serial: "01".into(),
        ski: Evidence::Missing(Missing::NotSent),
        revocation: Evidence::seen(Revocation::Good, "ledger", now),
        path: Box::default(),
        validity: Duration::from_secs(30 * 86_400),
        extended: false,
        outer: party.place.outer(fed, home, now),
        ike_spis: IkeSpis { initiator: IkeSpi(1), responder: IkeSpi(2) },
        proof: Evidence::Missing(Missing::NotGathered),
        lineage: Evidence::seen(Lineage::Head, "ledger", now),
        fingerprint: Evidence::seen(fingerprint(party.make), "ike", now),
        place: Evidence::Missing(Missing::NotGathered),
        facts: Evidence::Missing(Missing::NotGathered),
        attestation: Evidence::Missing(Missing::NotGathered),
    }
}

/// As charon shows itself, and another for each make and version.
fn fingerprint(make: u32) -> Fingerprint {
    Fingerprint {
        vendor_ids: vec![format!("{make:032x}").into()].into(),
        proposals: vec!["1.1: 1:20/128 2:5 4:19".into(), "1.3: 1:20/128 5:0".into()].into(),
        notifies: Box::new([16388, 16389, 16430, 16431, 16406]),
        fragment_sizes: Box::new([1248, 700]),
        nonce_length: 32,
        retransmissions: 0,
        first_retransmission_ms: None,
        key_exchange: Some(19),
        init_to_auth_us: 40_000,
    }
}
