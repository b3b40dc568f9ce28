use crate::LedgerError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// That a second person agrees to what another one asks for, and who: the one form of that in rows, records and
/// requests. Nobody agrees to what they ask for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Approval(String);

impl Approval {
    /// The word of `second`, whom `by` names, on `what`.
    ///
    /// # Errors
    /// [`LedgerError::NeedsApprover`]: nobody is named, or it is `by` again, however the name is written.
    pub fn of(second: Option<&str>, by: &str, what: impl FnOnce() -> String) -> Result<Self, LedgerError> {
        let second = second.map(str::trim);
        let second = second.filter(|second| !second.is_empty() && !is_same_person(second, by));
        second.map(|second| Self(second.to_owned())).ok_or_else(|| LedgerError::NeedsApprover(what()))
    }

    /// Who agrees, as the system names users.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether two names are one person's, however they are written.
fn is_same_person(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_another_person_however_names_are_written() {
        for nobody in [None, Some(""), Some(" "), Some("kim"), Some(" KIM "), Some("Kim")] {
            let refused = Approval::of(nobody, "kim", || "it".into()).unwrap_err();
            assert!(matches!(refused, LedgerError::NeedsApprover(what) if what == "it"), "{nobody:?}");
        }
        let lee = Approval::of(Some(" lee "), "kim", String::new).unwrap();
        assert_eq!((lee.as_str(), serde_json::to_string(&lee).unwrap()), ("lee", "\"lee\"".to_owned()));
    }
}
