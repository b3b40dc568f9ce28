use crate::{Device, Enrolment, Ledger, LedgerError, LifeCycle, Row, allows};

impl Device {
    /// Its state lets it attach.
    pub fn is_in_service(&self) -> bool {
        is_in_service(self.state)
    }
}

fn is_in_service(state: LifeCycle) -> bool {
    allows(state, Enrolment::Enrolled).attach
}

impl Ledger {
    /// How many units may attach by their state, by the index.
    ///
    /// # Errors
    /// The transient ones.
    pub fn in_service(&self) -> Result<u64, LedgerError> {
        let mut units = 0;
        for state in LifeCycle::ALL.into_iter().filter(|state| is_in_service(*state)) {
            let word = state.as_str();
            let counts = self.read(|store| store.count_by(Device::TABLE, "state", word, word, 0..0))?;
            units += counts.iter().map(|(_, count)| count).sum::<u64>();
        }
        Ok(units)
    }
}
