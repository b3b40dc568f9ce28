//! Which units may send to which: the ledger's list, for the shards.

use super::Registrar;
use crate::{hand_off::Answer, pairs::Pairs};
use ledger::LedgerError;
use std::sync::Arc;

impl Registrar {
    /// Tells the shards. A list that can't be trusted is an empty one.
    pub(super) fn pairs(&self) -> Result<(), LedgerError> {
        let read = self.read_pairs();
        if read.as_ref().is_err_and(LedgerError::is_transient) {
            return read.map(drop);
        }
        let (pairs, done) = read.map_or_else(|error| (Pairs::default(), Err(error)), |pairs| (pairs, Ok(())));
        self.answer(Answer::Pairs(Arc::new(pairs)));
        done
    }

    fn read_pairs(&self) -> Result<Pairs, LedgerError> {
        let mut tx = self.ledger.begin()?;
        let mut pairs = Pairs::default();
        for pair in tx.pairs()? {
            let [a, b] = pair.devices;
            if let (Some(a), Some(b)) = (tx.device(a)?, tx.device(b)?) {
                pairs.list(&a, &b);
            }
        }
        Ok(pairs)
    }
}
