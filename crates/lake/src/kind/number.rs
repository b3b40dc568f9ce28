use super::columns_of;
use crate::entry::Entry;
use ids::{SubscriberKey, UnixTime};
use records::row::{Number, Row};

columns_of! {
    Number, row in Entry::Row(Row::Number(row)), by [];
    needs {
        msisdn_key: SubscriberKey,
        subscriber: SubscriberKey,
        from: UnixTime,
    }
    may {
        to: UnixTime,
    }
}
