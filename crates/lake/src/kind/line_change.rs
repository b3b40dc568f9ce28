use super::columns_of;
use crate::entry::{Entry, LineChange};
use ids::AccessLine;
use records::line::ChangeKind;

columns_of! {
    LineChange, row in Entry::LineChange(row), by [];
    needs {
        line: AccessLine,
        change: ChangeKind,
    }
    may {}
}
