use ids::{DeviceId, Realm, UnixTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the carrier allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Longest validity of a device certificate, days.
    pub max_validity_d: u32,
    /// Longer ones, each by name and until a day.
    pub validity_exceptions: Vec<ValidityException>,
    /// How long a holder may take to delete its own session when another claims its identity, seconds.
    pub make_room_s: u32,
    /// A live unit is silent once it was not seen for longer, days in which the node served.
    pub silent_after_d: u32,
    /// A holder is asked whether it lives at most once in this time, seconds; for claims from another address, once
    /// in twelve times as long, 150 s at most.
    pub probe_interval_s: u32,
    /// Holders that may be ended within an hour as the copy, or as in wrong hands, in one region and of one realm; beyond it
    /// Sessions that may lose service within an hour by what was concluded of them, in one region and of one realm; beyond it
    /// they wait for room, or for a person.
    pub ends_per_hour: u32,
    /// How long, at most, the end of a session by what was concluded of it, and an order to turn a radio off, wait for an
    /// emergency call that goes on there, seconds.
    pub emergency_call_s: u32,
}

/// A named exception from `max_validity_d`. It ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidityException {
    /// For logs, events and whoever asks why.
    pub name: String,
    /// For this unit only.
    #[serde(default)]
    pub device: Option<DeviceId>,
    /// For this realm only.
    #[serde(default)]
    pub realm: Option<Realm>,
    /// Longest validity, days.
    pub max_validity_d: u32,
    /// From then on it counts no more.
    pub until: UnixTime,
}

/// How much longer it is for claims from elsewhere: between two of them the unit itself is heard.
const ELSEWHERE: u32 = 12;
/// A unit that is away from where its tunnel is asks for 165 s (charon 5.9.8): it is heard within them.
const RETRANSMITS: Duration = Duration::from_secs(150);

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_validity_d: 30,
            validity_exceptions: Vec::new(),
            make_room_s: 30,
            silent_after_d: 14,
            probe_interval_s: 10,
            ends_per_hour: 20,
            emergency_call_s: 900,
        }
    }
}

impl Policy {
    /// Whether this unit's certificate may be valid for so long, from notBefore to notAfter, and the
    /// named exception that it takes, if one.
    ///
    /// # Errors
    /// The longest that is allowed.
    pub fn allows_validity(
        &self,
        device: DeviceId,
        realm: Option<&Realm>,
        validity: Duration,
        now: UnixTime,
    ) -> Result<Option<&str>, Duration> {
        let span = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        let usual = span(self.max_validity_d);
        if validity <= usual {
            return Ok(None);
        }
        let fits = |exception: &&ValidityException| {
            let of_device = exception.device.is_none_or(|only| only == device);
            let of_realm = exception.realm.as_ref().is_none_or(|only| Some(only) == realm);
            now < exception.until && of_device && of_realm
        };
        let exceptions = self.validity_exceptions.iter().filter(fits);
        match exceptions.max_by_key(|exception| exception.max_validity_d) {
            Some(longest) if validity <= span(longest.max_validity_d) => Ok(Some(&longest.name)),
            Some(longest) => Err(usual.max(span(longest.max_validity_d))),
            None => Err(usual),
        }
    }

    /// For how long a live unit may not be seen.
    pub fn silent_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.silent_after_d) * 86_400)
    }

    /// How long an emergency call is waited for at most.
    pub fn emergency_call(&self) -> Duration {
        Duration::from_secs(self.emergency_call_s.into())
    }

    /// How long a holder may take to make room.
    pub fn make_room(&self) -> Duration {
        Duration::from_secs(self.make_room_s.into())
    }

    /// The least time between two questions whether a holder lives, for claims from its own address (or /64).
    pub fn probe_interval(&self) -> Duration {
        Duration::from_secs(self.probe_interval_s.into())
    }

    /// The same for claims from elsewhere: whoever has a copy of the key can't keep the unit itself, which has to
    /// authenticate anew each day, from being heard.
    pub fn probe_interval_elsewhere(&self) -> Duration {
        let long = (self.probe_interval() * ELSEWHERE).max(self.make_room() * 2);
        long.min(RETRANSMITS).max(self.probe_interval())
    }
}
