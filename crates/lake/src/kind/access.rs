use super::columns_of;
use crate::entry::Entry;
use ids::{CellKey, SubscriberKey};
use records::row::{Access, AccessEvent, NasCipher, NasIntegrity, Row};
use std::net::IpAddr;

columns_of! {
    Access, row in Entry::Row(Row::Access(row)), by [cell];
    needs {
        subscriber: SubscriberKey,
        cell: CellKey,
        event: AccessEvent,
    }
    may {
        peer: CellKey,
        inner: IpAddr,
        cipher: NasCipher,
        integrity: NasIntegrity,
    }
}
