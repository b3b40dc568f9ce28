use super::columns_of;
use crate::entry::Entry;
use ids::{CellKey, SubscriberKey, UnixTime};
use records::row::{Channel, Code, Row, Text};

columns_of! {
    Code, row in Entry::Row(Row::Code(row)), by [cell];
    needs {
        subscriber: SubscriberKey,
        channel: Channel,
        service: Text<32>,
    }
    may {
        cell: CellKey,
        requested: UnixTime,
    }
}
