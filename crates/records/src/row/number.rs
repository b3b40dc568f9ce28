use ids::{SubscriberKey, UnixTime};

row! {
    /// Who has a number, since when: joins what arrives by number with what arrives by IMSI.
    Number;
    needs {
        /// The number's keyed hash, made as a subscriber's.
        msisdn_key: SubscriberKey,
        /// Who has it.
        subscriber: SubscriberKey,
        /// Since when.
        from: UnixTime,
    }
    may {
        /// Until when, without that moment; absent: still.
        to: UnixTime,
    }
}

impl Number {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        super::turned(self.from, self.to)
    }
}
