use super::columns_of;
use crate::entry::Entry;
use records::row::{Heartbeat, Row};

columns_of! {
    Heartbeat, row in Entry::Row(Row::Heartbeat(row)), by [];
    needs {}
    may {}
}
