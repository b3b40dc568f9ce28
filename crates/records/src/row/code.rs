use super::{Channel, Text};
use ids::{CellKey, SubscriberKey, UnixTime};

row! {
    /// A one-time code was delivered to a handset. Never the code.
    Code;
    needs {
        /// To whom.
        subscriber: SubscriberKey,
        /// How.
        channel: Channel,
        /// For whose service.
        service: Text<32>,
    }
    may {
        /// Through which cell.
        cell: CellKey,
        /// When the subscriber's own session asked for it; absent: nobody knows.
        requested: UnixTime,
    }
}

impl Code {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        match (self.channel, self.requested) {
            (Channel::App, _) => Some("a code is delivered by `sms` or `ars`"),
            (Channel::Sms | Channel::Ars, Some(requested)) if requested > self.stamp.at => {
                Some("`requested` is later than `at`")
            }
            (Channel::Sms | Channel::Ars, _) => None,
        }
    }
}
