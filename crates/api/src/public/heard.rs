use super::turns::Turn;
use ::cmp::{Enrol, Record, Refusal, Refused, Register, Renew, TransactionId};
use ids::{CertSha256, Realm, UnixTime};
use std::cell::Cell;

/// The register, for one request: while it waits for the disk, others have the turn. And what it was told of a refusal.
pub(super) struct Heard<'a> {
    register: &'a dyn Register,
    turn: &'a Turn,
    refusal: Cell<Option<Refusal>>,
}

impl<'a> Heard<'a> {
    pub(super) fn new(register: &'a dyn Register, turn: &'a Turn) -> Self {
        Self { register, turn, refusal: Cell::new(None) }
    }

    /// Why the request was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get()
    }
}

impl Register for Heard<'_> {
    fn find(&self, id: &TransactionId, now: UnixTime) -> Result<Option<Record>, Refusal> {
        self.register.find(id, now)
    }

    fn legacy(&self, certificate: CertSha256) -> Result<Option<Realm>, Refusal> {
        self.register.legacy(certificate)
    }

    fn enrol(&self, request: &Enrol<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.turn.wait(|| self.register.enrol(request, now))
    }

    fn renew(&self, request: &Renew<'_>, now: UnixTime) -> Result<Vec<Vec<u8>>, Refusal> {
        self.turn.wait(|| self.register.renew(request, now))
    }

    fn confirm(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.turn.wait(|| self.register.confirm(id, now))
    }

    fn rejected(&self, id: &TransactionId, now: UnixTime) -> Result<(), Refusal> {
        self.turn.wait(|| self.register.rejected(id, now))
    }

    fn refused(&self, refused: &Refused) {
        self.refusal.set(Some(refused.refusal));
        self.register.refused(refused);
    }
}
