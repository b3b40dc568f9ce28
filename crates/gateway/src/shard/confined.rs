use crate::quarantine::Confinement;
use esp::{Barred, Inner};
use std::sync::Arc;

/// What packets of a tunnel in quarantine meet.
pub(super) struct Confined {
    confinement: Arc<Confinement>,
    /// The packet for the unit that is sealed next.
    inward: Vec<u8>,
}

impl Confined {
    pub(super) fn new(confinement: Arc<Confinement>) -> Self {
        Self { confinement, inward: Vec::new() }
    }

    pub(super) fn check_inbound(&self, inner: &Inner, packet: &[u8]) -> Result<(), Barred> {
        self.confinement.check_inbound(inner, packet)
    }

    /// Appends what passed that check, as it goes on.
    pub(super) fn outward(&self, packet: &[u8], inner: &Inner, out: &mut Vec<u8>) {
        self.confinement.translation.outward(packet, inner, out);
    }

    /// A packet as it goes on to the unit, with what its headers say then.
    ///
    /// # Errors
    /// [`Barred`]: it comes from nowhere that the unit may reach.
    pub(super) fn inward(&mut self, packet: &[u8], inner: &Inner) -> Result<(&[u8], Inner), Barred> {
        self.confinement.check_outbound(inner, packet)?;
        let inner = self.confinement.translation.inward(packet, inner, &mut self.inward);
        inner.map(|inner| (self.inward.as_slice(), inner)).ok_or(Barred::OutOfReach)
    }
}
