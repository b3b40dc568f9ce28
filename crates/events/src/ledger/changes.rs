use super::{Committed, RowChanged};
use crate::{Record, record::UnreadRecord};
use ids::EventRef;

/// Which changes of rows stand, of a journal's records in their order. Who takes a [`RowChanged`] for a fact asks here.
#[derive(Debug, Default)]
pub struct Changes {
    /// Of a transaction that is not committed, or never will be.
    open: Vec<(EventRef, RowChanged)>,
}

impl Changes {
    /// The newest version that stands by itself: it was written before there were transactions in the journal.
    const ALONE: u16 = 1;

    /// The changes that stand by the next record, in their order, each with the record that it is: those of a whole
    /// transaction, or none.
    ///
    /// # Errors
    /// [`UnreadRecord`]: of a newer Truecell.
    pub fn take(&mut self, record: &Record) -> Result<Vec<(EventRef, RowChanged)>, UnreadRecord> {
        if let Some(changed) = record.read::<RowChanged>()? {
            let change = (record.reference(), changed);
            if record.v <= Self::ALONE {
                return Ok(vec![change]);
            }
            self.open.push(change);
        } else if let Some(Committed { from }) = record.read()? {
            let mut stand = std::mem::take(&mut self.open);
            stand.retain(|(event, _)| event.seq >= from);
            return Ok(stand);
        }
        Ok(Vec::new())
    }

    /// Whether there are changes of which it is not known yet whether they stand.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recorded;

    fn record(seq: u64, kind: &str, v: u16, body: &str) -> Record {
        let text = format!(
            r#"{{"seq":"{seq}","prev":"{}","at":"2026-01-01T00:00:00.000000Z","node":"gw1","kind":"{kind}","v":{v},"body":{body}}}"#,
            "0".repeat(64),
        );
        serde_json::from_str(&text).unwrap()
    }

    fn changed(seq: u64, v: u16) -> Record {
        let body = r#"{"table":"device","key":"k","revision":"1","before":null,"after":{},"by":"kim","why":"","approver":null,"effective_at":"2026-01-01T00:00:00.000000Z"}"#;
        record(seq, <RowChanged>::KIND, v, body)
    }

    /// What stands by each record.
    fn stand(records: &[Record]) -> Vec<Vec<u64>> {
        let mut changes = Changes::default();
        let seqs =
            |stand: Vec<(EventRef, RowChanged)>| stand.into_iter().map(|(event, _)| event.seq).collect();
        records.iter().map(|record| seqs(changes.take(record).unwrap())).collect()
    }

    #[test]
    fn what_is_committed_stands_whole_and_what_is_not_never() {
        let committed = |seq, from: u64| record(seq, Committed::KIND, 1, &format!(r#"{{"from":"{from}"}}"#));
        let other = |seq| record(seq, "gateway.alarm", 1, "{}");
        let records = [changed(1, 2), changed(2, 2), other(3), changed(4, 2), committed(5, 2), changed(6, 2)];
        assert_eq!(stand(&records), [vec![], vec![], vec![], vec![], vec![2, 4], vec![]]);
        let again = [changed(1, 2), changed(2, 2), committed(3, 2), committed(4, 1)];
        assert_eq!(stand(&again), [vec![], vec![], vec![2], vec![]], "void once is void for ever");
    }

    #[test]
    fn what_an_older_version_wrote_stands_by_itself() {
        assert_eq!(stand(&[changed(1, 1), changed(2, 2), changed(3, 1)]), [vec![1], vec![], vec![3]]);
    }
}
