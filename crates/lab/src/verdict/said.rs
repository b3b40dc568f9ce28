use super::party::Who;
use admission::{Conclusion, Decision, Reason, Verdict};

/// What came of a claim, or of looking again at a session.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) of: Who,
    /// Nobody claimed anything: it is attached.
    pub(super) is_review: bool,
    pub(super) against: Option<Reason>,
    pub(super) verdict: Verdict,
    /// Who is said to be the copy, or to have it in wrong hands.
    pub(super) accused: Vec<Who>,
}

impl Said {
    /// `other`: who had the lease, or had it last, where the verdict speaks of that one.
    pub(super) fn new(of: Who, other: Option<Who>, is_review: bool, verdict: Verdict) -> Self {
        let against = match verdict.decision {
            Decision::Refuse(reason) | Decision::Quarantine(reason) => Some(reason),
            Decision::Admit(_) | Decision::Contest | Decision::Drop(_) => None,
        };
        let accused = match (verdict.conclusion, against) {
            // A session that is looked at again goes on, whatever is said of those before it.
            _ if is_review && against.is_none() => Vec::new(),
            (Some(Conclusion::NewcomerIsClone), _) | (None, Some(_)) => vec![of],
            (Some(Conclusion::HolderIsClone), _) => other.into_iter().collect(),
            (Some(Conclusion::GenuineKeyUntrusted), _) => [of].into_iter().chain(other).collect(),
            (Some(Conclusion::Reconnect | Conclusion::Undecided) | None, _) => Vec::new(),
        };
        Self { of, is_review, against, verdict, accused }
    }
}
