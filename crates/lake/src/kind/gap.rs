use super::columns_of;
use crate::entry::Entry;
use ids::UnixTime;
use records::row::{Gap, GapWhy, Row};

columns_of! {
    Gap, row in Entry::Row(Row::Gap(row)), by [];
    needs {
        from: UnixTime,
        to: UnixTime,
        why: GapWhy,
    }
    may {
        rows: u64,
    }
}
