use super::Engine;
use crate::{
    finding::Finding,
    ledger_change::Change,
    seen::{RowId, Seen, What},
    step::{Step, Visit},
    world::{Ahead, CellId},
};
use ids::UnixTime;
use records::row::{Access, Code, Ealg, Ims, NasCipher, Row};

/// Each row in its turn: the detectors see it with what was known before, then all know it.
impl Engine {
    pub(super) fn judge(&mut self, row: RowId, at: UnixTime, of_feed: &Row, found: &mut Vec<Finding>) {
        match of_feed {
            Row::Access(access) => self.judge_access(row, at, (access, Ahead::default()), found),
            Row::Ims(ims) => self.judge_ims(row, at, ims, found),
            Row::Code(code) => self.judge_code(row, at, code, found),
            Row::Gap(gap) => {
                self.world.gaps.add(row.feed, gap.from, gap.to);
                self.see(&Seen { at, row, what: What::Gap(gap) }, found);
            }
            Row::MacroCell(plan) => self.world.cells.plan(plan),
            Row::Order(order) => self.world.units.book(order),
            Row::Heartbeat(_) => {}
            Row::Payment(_) | Row::Number(_) | Row::Complaint(_) => {
                self.see(&Seen { at, row, what: What::Other(of_feed) }, found);
            }
        }
    }

    pub(super) fn judge_access(
        &mut self,
        row: RowId,
        at: UnixTime,
        (access, ahead): (&Access, Ahead),
        found: &mut Vec<Finding>,
    ) {
        let Some(cell) = ahead.cell.or_else(|| self.world.cells.id(access.cell)) else { return };
        let peer = access.peer.and_then(|peer| self.world.cells.id(peer));
        let slot = self.world.handsets.touch(access.subscriber, ahead.handset);
        let before = self.world.handsets.at(slot).copied().unwrap_or_default();
        let site = self.world.macro_site(cell, at);
        let (is_macro, visit) = (site.is_some(), Visit { cell, peer, site, before });
        let step = Step::of(&visit, &self.world, at);
        let what = What::Access { row: access, cell, is_macro, before, step };
        self.see(&Seen { at, row, what }, found);
        let secs = self.world.secs(at);
        let Some(handset) = self.world.handsets.at_mut(slot) else { return };
        (handset.cell, handset.at) = (cell, secs);
        if is_macro {
            (handset.macro_cell, handset.macro_at) = (cell, secs);
            let ciphered = access.cipher.map(|cipher| cipher != NasCipher::NULL);
            handset.protection.nas = ciphered.or(handset.protection.nas);
            self.world.knows_macro_rows = true;
        }
    }

    fn judge_ims(&mut self, row: RowId, at: UnixTime, ims: &Ims, found: &mut Vec<Finding>) {
        let cell = ims.cell.and_then(|cell| self.world.cells.id(cell));
        let before = self.world.handset(ims.subscriber).unwrap_or_default();
        let is_macro = cell.is_some_and(|cell| self.world.is_macro(cell, at));
        self.see(&Seen { at, row, what: What::Ims { row: ims, cell, is_macro, before } }, found);
        if let (true, Some(is_encrypted)) = (is_macro, is_encrypted(ims)) {
            let slot = self.world.handsets.touch(ims.subscriber, None);
            if let Some(handset) = self.world.handsets.at_mut(slot) {
                handset.protection.ims = Some(is_encrypted);
            }
        }
    }

    fn judge_code(&mut self, row: RowId, at: UnixTime, code: &Code, found: &mut Vec<Finding>) {
        let cell: Option<CellId> = code.cell.and_then(|cell| self.world.cells.id(cell));
        self.see(&Seen { at, row, what: What::Code { row: code, cell } }, found);
    }

    pub(super) fn apply(&mut self, row: RowId, at: UnixTime, change: &Change, found: &mut Vec<Finding>) {
        match change {
            Change::Unit { before, after } => {
                let Some(unit) = after.as_ref().or(before.as_ref()) else { return };
                let known = self.world.units.id(unit.device).and_then(|id| self.world.unit(id));
                let had = known.map(|state| state.unit.cells.clone()).unwrap_or_default();
                let Some(id) = self.world.units.put(unit, at) else { return };
                self.world.cells.carry(id, &had, &unit.cells);
                if after.is_none() {
                    self.world.units.take_away(id, at);
                }
                self.see(&Seen { at, row, what: What::Unit { unit: id, before: before.as_ref() } }, found);
            }
            Change::Session { before, after } => {
                let Some(session) = after.as_ref().or(before.as_ref()) else { return };
                let Some(id) = self.world.units.id(session.device) else { return };
                self.world.units.set_session(id, after.clone(), at);
                self.see(&Seen { at, row, what: What::Session { unit: id, before: before.as_ref() } }, found);
            }
        }
    }
}

/// Whether what goes between handset and IMS is encrypted; `None` where the row doesn't say.
pub(crate) fn is_encrypted(ims: &Ims) -> Option<bool> {
    match (ims.sec_agree, ims.ealg) {
        (false, _) | (true, Some(Ealg::Null)) => Some(false),
        (true, Some(Ealg::DesEde3Cbc | Ealg::AesCbc | Ealg::AesGcm)) => Some(true),
        (true, None) => None,
    }
}
