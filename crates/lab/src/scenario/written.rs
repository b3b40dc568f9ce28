//! An event as the row that a carrier's systems would write.

use super::{
    country::Country,
    estate::{Estate, Net},
    event::{Event, Guard, HOUR, What},
    feeds::Underway,
    names::{self, CellNo, Person},
    rare::{Booking, Kept, Rare},
};
use detect::{Change, Input, LedgerChange, Session};
use ids::{CellKey, Label, SubscriberKey, UnixTime};
use ledger::LifeCycle;
use records::row::{
    Access, AccessEvent, Alg, Channel, Code, Currency, Ealg, Heartbeat, Ims, ImsEvent, MacroCell, NasCipher,
    NasIntegrity, Order, Payment, Row, Stamp, Text,
};
use std::time::Duration;

/// What rows have in common, made once.
pub(super) struct Writer {
    seed: u64,
    begins: UnixTime,
    service: Text<32>,
    gift_card: Text<32>,
    shopping: Text<32>,
    currency: Currency,
}

/// What rows are made from.
pub(super) struct Known<'a> {
    pub(super) country: &'a Country,
    pub(super) estate: &'a Estate,
    pub(super) rare: &'a Rare,
}

/// EEA2 and EIA2, AES: what handsets and core agree on.
const AES: u8 = 2;
/// From asking for a code to its arrival.
const ASKED_BEFORE: Duration = Duration::from_secs(4);

impl Writer {
    /// `None`: never, as the words are right.
    pub(super) fn new(seed: u64, begins: UnixTime) -> Option<Self> {
        Some(Self {
            seed,
            begins,
            service: "micropayment".parse().ok()?,
            gift_card: "gift-card".parse().ok()?,
            shopping: "shopping".parse().ok()?,
            currency: "KRW".parse().ok()?,
        })
    }

    /// The time of an event.
    pub(super) fn time(&self, micros: u64) -> UnixTime {
        self.begins.after(Duration::from_micros(micros))
    }

    /// The row, or the watermark, that arrives; `None` of nothing that is.
    pub(super) fn input(&self, underway: &Underway, feed: &Label, known: &Known<'_>) -> Option<Input> {
        let event = &underway.event;
        let at = self.time(underway.hour * HOUR + u64::from(event.at));
        if event.what == What::Heartbeat && event.by == 1 {
            return Some(Input::Watermark { feed: feed.clone(), at });
        }
        let stamp = Stamp { at, feed: feed.clone(), seq: underway.seq };
        let cell = event.cell.key(known.estate.network);
        match event.what {
            What::Mast => self.mast(stamp, event.who, known).map(Input::Row),
            What::Unit => unit(stamp, event.who, known),
            What::Tunnel => tunnel(stamp, event),
            What::Rare => self.rare(stamp, event.who, known),
            What::Update => self.access(stamp, event, cell?, AccessEvent::Update, known),
            What::Service => self.access(stamp, event, cell?, AccessEvent::ServiceRequest, known),
            What::HandoverIn => self.access(stamp, event, cell?, AccessEvent::HandoverIn, known),
            What::Register => Some(Input::Row(Row::Ims(self.ims(stamp, event, cell)))),
            What::Code => Some(self.code(stamp, event, cell, Channel::Sms, true)),
            What::CodeCall => Some(self.code(stamp, event, cell, Channel::Ars, true)),
            What::CodeUnasked => Some(self.code(stamp, event, cell, Channel::Sms, false)),
            What::CodeCallUnasked => Some(self.code(stamp, event, cell, Channel::Ars, false)),
            What::Payment => self.payment(stamp, event, Channel::Sms),
            What::PaymentCall => self.payment(stamp, event, Channel::Ars),
            What::Heartbeat => Some(Input::Row(Row::Heartbeat(Heartbeat { stamp }))),
        }
    }

    fn who(&self, event: &Event) -> SubscriberKey {
        Person(event.who).key(self.seed)
    }

    fn access(
        &self,
        stamp: Stamp,
        event: &Event,
        cell: CellKey,
        of: AccessEvent,
        known: &Known<'_>,
    ) -> Option<Input> {
        let peer = match of {
            AccessEvent::HandoverIn => CellNo(event.other).key(known.estate.network),
            AccessEvent::Attach | AccessEvent::Detach | AccessEvent::Update | AccessEvent::ServiceRequest => {
                None
            }
            AccessEvent::HandoverOut | AccessEvent::Release => None,
        };
        let cipher = if event.guard.has(Guard::NO_NAS) { NasCipher::NULL } else { NasCipher(AES) };
        Some(Input::Row(Row::Access(Access {
            stamp,
            subscriber: self.who(event),
            cell,
            event: of,
            peer,
            inner: event.by.checked_sub(1).map(names::inner),
            cipher: Some(cipher),
            integrity: Some(NasIntegrity(AES)),
        })))
    }

    fn ims(&self, stamp: Stamp, event: &Event, cell: Option<CellKey>) -> Ims {
        let sec_agree = !event.guard.has(Guard::NO_AGREEMENT);
        let (ealg, alg) =
            match (sec_agree, event.guard.has(Guard::NO_ALGORITHM), event.guard.has(Guard::NULL)) {
                (false, ..) | (true, true, _) => (None, None),
                (true, false, true) => (Some(Ealg::Null), Some(Alg::HmacSha1)),
                (true, false, false) => (Some(Ealg::AesCbc), Some(Alg::HmacSha1)),
            };
        Ims { stamp, subscriber: self.who(event), event: ImsEvent::Register, sec_agree, cell, ealg, alg }
    }

    fn code(
        &self,
        stamp: Stamp,
        event: &Event,
        cell: Option<CellKey>,
        channel: Channel,
        is_asked: bool,
    ) -> Input {
        let requested = is_asked.then(|| stamp.at.before(ASKED_BEFORE));
        let (subscriber, service) = (self.who(event), self.service.clone());
        Input::Row(Row::Code(Code { stamp, subscriber, channel, service, cell, requested }))
    }

    fn payment(&self, stamp: Stamp, event: &Event, channel: Channel) -> Option<Input> {
        // Honest people buy gift cards, too: one of sixteen.
        let is_gift_card = event.of != 0 || (event.other / 1000).is_multiple_of(16);
        let class = if is_gift_card { &self.gift_card } else { &self.shopping };
        Some(Input::Row(Row::Payment(Payment {
            payer: self.who(event),
            amount_minor: event.other.into(),
            currency: self.currency,
            merchant_class: class.clone(),
            channel,
            request: format!("P-{}", stamp.seq).parse().ok()?,
            stamp,
        })))
    }

    fn mast(&self, stamp: Stamp, mast: u32, known: &Known<'_>) -> Option<Row> {
        let (cell, position) =
            (CellNo::mast(mast).key(known.estate.network)?, known.country.site(mast).position()?);
        let radius_m = known.country.radius_m();
        Some(Row::MacroCell(MacroCell { stamp, cell, position, radius_m, from: self.begins, to: None }))
    }

    fn rare(&self, stamp: Stamp, number: u32, known: &Known<'_>) -> Option<Input> {
        match known.rare.get(number)? {
            Kept::Change(change) => Some(Input::Ledger(LedgerChange { stamp, change: change.clone() })),
            Kept::Order(Booking { unit, purpose, from, to, spot }) => Some(Input::Row(Row::Order(Order {
                stamp,
                order: format!("W-{number}").parse().ok()?,
                device: names::device(*unit),
                purpose: *purpose,
                from: self.time(*from),
                to: self.time(*to),
                line: names::line(*unit),
                position: spot.position(),
            }))),
        }
    }
}

fn unit(stamp: Stamp, number: u32, known: &Known<'_>) -> Option<Input> {
    let spot = known.estate.units.get(number as usize)?.spot;
    let after = Some(known.estate.row(number, LifeCycle::Live, spot));
    Some(Input::Ledger(LedgerChange { stamp, change: Change::Unit { before: None, after } }))
}

fn tunnel(stamp: Stamp, event: &Event) -> Option<Input> {
    let Guard(nets) = event.guard;
    let session = |outer: u32, code: u8| {
        let net = Net::of(code)?;
        let line = match net {
            Net::Own => names::line(event.who),
            Net::OtherLine => names::line(event.who + 1),
            Net::Unknown | Net::OtherFixed | Net::Mobile | Net::Foreign | Net::Hosting => None,
        };
        let (device, inner, outer) = (names::device(event.who), names::inner(event.who), names::outer(outer));
        Some(Session { device, inner, outer, line, class: Some(net.class()) })
    };
    let (before, after) = (session(event.by, nets >> 4), session(event.other, nets & 15));
    Some(Input::Ledger(LedgerChange { stamp, change: Change::Session { before, after } }))
}
