use crate::{
    PublicKey, Record, Recorded,
    journal::{Checkpoint, Place, canonical},
};
use ids::{Hex, NodeId, Sha256, UnixTime};

/// Octets of a checkpoint's line at most: one takes 324 and more.
pub(super) const MAX_LINE: u64 = 1024;

/// A checkpoint as its line stands in the journal. Its signature may be anyone's until
/// [`Self::is_signed_by`] has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointLine {
    /// Whose journal.
    pub node: NodeId,
    /// Its number.
    pub seq: u64,
    /// When it was signed, by the node's clock.
    pub at: UnixTime,
    /// Hash of the line.
    pub sha256: Sha256,
    prev: Sha256,
    signature: String,
    line: Vec<u8>,
}

/// These octets are no checkpoint's line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no checkpoint of a journal: {0}")]
pub struct NotACheckpoint(pub String);

impl CheckpointLine {
    /// Reads a line, its LF included.
    ///
    /// # Errors
    /// [`NotACheckpoint`], also for another spelling of one.
    pub fn parse(line: &[u8]) -> Result<Self, NotACheckpoint> {
        if line.len() as u64 > MAX_LINE {
            return Err(NotACheckpoint(format!("longer than {MAX_LINE} octets")));
        }
        let record: Record =
            serde_json::from_slice(line).map_err(|error| NotACheckpoint(error.to_string()))?;
        if canonical(&record).as_bytes() != line {
            return Err(NotACheckpoint("not written as a journal writes it".into()));
        }
        let body = record.read::<Checkpoint>().map_err(|error| NotACheckpoint(error.to_string()))?;
        let body = body.ok_or_else(|| NotACheckpoint(format!("a {}", record.kind)))?;
        if record.v != Checkpoint::V {
            return Err(NotACheckpoint(format!("of version {}", record.v)));
        }
        let Record { seq, prev, at, node, .. } = record;
        let (sha256, line) = (Sha256::of(line), line.to_owned());
        Ok(Self { node, seq, at, sha256, prev, signature: body.signature, line })
    }

    /// The octets of the line, LF included.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Whether that key has signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let place = Place { node: &self.node, seq: self.seq, prev: self.prev, at: self.at };
        key.verifies(&place.checkpoint(), &self.signature)
    }

    /// Its file's name in a drop.
    pub(super) fn file_name(&self) -> String {
        format!("{:020}.{}.checkpoint", self.seq, Hex(&self.sha256.0[..8]))
    }
}

/// The number in the name of a file of a drop; `None` for a name of anything else.
pub(super) fn seq_in(name: &str) -> Option<u64> {
    let (seq, _) = name.strip_suffix(".checkpoint")?.split_once('.')?;
    seq.parse().ok().filter(|_| seq.len() == 20)
}
