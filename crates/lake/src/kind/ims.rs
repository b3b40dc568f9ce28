use super::columns_of;
use crate::entry::Entry;
use ids::{CellKey, SubscriberKey};
use records::row::{Alg, Ealg, Ims, ImsEvent, Row};

columns_of! {
    Ims, row in Entry::Row(Row::Ims(row)), by [cell];
    needs {
        subscriber: SubscriberKey,
        event: ImsEvent,
        sec_agree: bool,
    }
    may {
        cell: CellKey,
        ealg: Ealg,
        alg: Alg,
    }
}
