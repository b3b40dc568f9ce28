//! What a unit's management system says of it, held against its session and the ledger; and what it is to do.

pub(crate) mod radio;

use crate::{Origins, evidence::Known, sessions::Session};
use admission::{Evidence, Management};
use ids::{DeviceId, IkeSpi, Spi, UnixTime};
use std::time::Duration;

/// What a management system has from a unit; `None` where it has nothing that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSays {
    /// Its serial number.
    pub serial: Option<Box<str>>,
    /// The version of its software.
    pub software: Option<Box<str>>,
    /// Its tunnel.
    pub tunnel: Option<TunnelSeen>,
    /// It hears cells that it heard when it was known to be at its line, or wholly others; `None` when nobody can say.
    pub neighbours: Option<NeighboursSeen>,
    /// Its radio.
    pub radio: Option<RadioSeen>,
}

/// The cells that a unit hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighboursSeen {
    /// One of them is heard at its line.
    pub as_at_line: bool,
    /// When the unit said so.
    pub seen_at: UnixTime,
}

/// The radio of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RadioSeen {
    /// It is on.
    pub on: bool,
    /// An emergency call goes on.
    pub emergency_call: bool,
    /// When the unit said so.
    pub seen_at: UnixTime,
}

/// A tunnel as the unit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelSeen {
    /// The initiator's SPI of its IKE SA.
    pub ike_spi: Option<IkeSpi>,
    /// The SPI of its ESP SA, of either direction.
    pub esp_spi: Option<Spi>,
    /// When it was made, by the unit's clock.
    pub created_at: Option<UnixTime>,
    /// When the unit said so.
    pub seen_at: UnixTime,
}

/// A tunnel as the gateway has it.
pub(crate) struct Ours {
    since: UnixTime,
    /// Those that its IKE SA has, and had before it was rekeyed.
    ike_spis: Vec<IkeSpi>,
    /// Of the CHILD SAs that it has, both directions.
    esp_spis: Vec<Spi>,
}

/// How far a feed's clock may be from ours: what was seen within this of a tunnel's beginning may have been seen before.
const CLOCKS: Duration = Duration::from_secs(60);
/// How far a unit's clock may be from ours.
const UNITS_CLOCK: Duration = Duration::from_secs(300);

impl Ours {
    /// Of one that begins with this claim.
    pub(crate) fn beginning(ike_spi: IkeSpi, now: UnixTime) -> Self {
        Self { since: now, ike_spis: vec![ike_spi], esp_spis: Vec::new() }
    }

    /// Of one that was never there, as its claim was refused: what was said within that time before.
    pub(crate) fn refused(ike_spi: IkeSpi, since: UnixTime) -> Self {
        Self { since, ..Self::beginning(ike_spi, since) }
    }

    /// Of one that stands.
    pub(crate) fn of(session: &Session) -> Self {
        Self { since: session.since, ike_spis: session.ike_spis(), esp_spis: session.esp_spis() }
    }

    /// Whether it is the one that the unit sees; `None` when nobody can say.
    ///
    /// Anyone on the path reads the SPIs of IKE, and a copy may take the same: the time must fit, too. What a unit's
    /// clock says alone is held against nobody, nor an SPI of ESP, which changes with each rekeying.
    fn is_seen_by(&self, seen: &TunnelSeen) -> Option<bool> {
        if seen.seen_at <= self.since {
            return None;
        }
        let is_ike = seen.ike_spi.map(|spi| self.ike_spis.contains(&spi));
        if is_ike == Some(false) {
            return (seen.seen_at > self.since.after(CLOCKS)).then_some(false);
        }
        let is_esp = seen.esp_spi.is_some_and(|spi| self.esp_spis.contains(&spi));
        let fits =
            |created| created >= self.since.before(UNITS_CLOCK) && created <= seen.seen_at.after(UNITS_CLOCK);
        let is_ours = (is_ike == Some(true) || is_esp) && seen.created_at.is_some_and(fits);
        is_ours.then_some(true)
    }
}

/// What is said of a unit, against what is known here.
pub(crate) fn management(
    device: DeviceId,
    known: &Known,
    ours: &Ours,
    origins: &dyn Origins,
    now: UnixTime,
) -> Evidence<Management> {
    let record = known.device.as_ref();
    let line = record.and_then(|record| record.access_line.as_ref());
    let firmware = record.map(|record| &*record.firmware).filter(|firmware| !firmware.is_empty());
    match origins.unit(device, line, now) {
        Evidence::Missing(missing) => Evidence::Missing(missing),
        Evidence::Known(said) => Evidence::Known(Box::new(admission::Known {
            value: Management {
                // A number of another kind can't be compared.
                serial: said
                    .value
                    .serial
                    .as_deref()
                    .and_then(|text| Some(DeviceId::typed(text).ok()? == device)),
                software: said.value.software.as_deref().zip(firmware).map(|(has, meant)| has == meant),
                tunnel: said.value.tunnel.as_ref().and_then(|seen| ours.is_seen_by(seen)),
                neighbours: said.value.neighbours.map(|heard| heard.as_at_line),
            },
            source: said.source,
            observed_at: said.observed_at,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + second)
    }

    fn seen(ike_spi: Option<u64>, esp_spi: Option<u32>, created_at: Option<i64>, seen_at: i64) -> TunnelSeen {
        let (ike_spi, esp_spi) = (ike_spi.map(IkeSpi), esp_spi.map(Spi));
        TunnelSeen { ike_spi, esp_spi, created_at: created_at.map(at), seen_at: at(seen_at) }
    }

    #[test]
    fn a_unit_sees_our_tunnel_or_another_or_nobody_can_say() {
        let ours = Ours { since: at(1000), ike_spis: vec![IkeSpi(1), IkeSpi(2)], esp_spis: vec![Spi(7)] };
        let cases = [
            // Ours, also under an SPI from before it was rekeyed.
            (seen(Some(1), None, Some(1000), 1001), Some(true)),
            (seen(Some(2), None, Some(1900), 2000), Some(true)),
            (seen(None, Some(7), Some(1010), 1020), Some(true)),
            // Seen before ours was there, or perhaps before.
            (seen(Some(9), None, Some(900), 1000), None),
            (seen(Some(9), None, Some(900), 1060), None),
            (seen(Some(1), None, Some(1000), 1000), None),
            // Another.
            (seen(Some(9), None, Some(900), 1061), Some(false)),
            (seen(Some(9), Some(7), Some(1000), 1061), Some(false)),
            (seen(Some(9), None, None, 5000), Some(false)),
            // The SPI may be copied from the wire, and the unit's clock may be wrong.
            (seen(Some(1), None, Some(600), 2000), None),
            (seen(Some(1), None, None, 2000), None),
            (seen(None, Some(8), Some(1000), 2000), None),
            (seen(None, Some(7), None, 2000), None),
        ];
        for (seen, said) in cases {
            assert_eq!(ours.is_seen_by(&seen), said, "{seen:?}");
        }
    }
}
