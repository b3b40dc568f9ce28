use super::columns_of;
use crate::entry::{Entry, LineSession};
use ids::{AccessLine, UnixTime};
use records::line::Place;

columns_of! {
    LineSession, row in Entry::LineSession(row), by [];
    needs {
        line: AccessLine,
        place: Place,
        from: UnixTime,
    }
    may {
        to: UnixTime,
    }
}
