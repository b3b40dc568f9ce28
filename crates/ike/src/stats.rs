use crate::Reason;

/// Plain counters since start, and sizes as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams handed in.
    pub datagrams: u64,
    /// IKE_SA_INIT requests answered with a half-open IKE SA.
    pub init_answered: u64,
    /// Cookies asked for (RFC 7296 §2.6).
    pub cookies_asked: u64,
    /// IKE SAs established.
    pub established: u64,
    /// IKE SAs over.
    pub deleted: u64,
    /// CHILD SAs installed, rekeyed ones included.
    pub children_installed: u64,
    /// CHILD SAs rekeyed.
    pub children_rekeyed: u64,
    /// IKE SAs rekeyed.
    pub ike_rekeyed: u64,
    /// Requests of ours sent once more.
    pub retransmitted: u64,
    /// Requests of the peer that were answered from the kept response.
    pub answered_again: u64,
    /// Other paths that the peer was asked at.
    pub paths_probed: u64,
    /// Of these, those that it answered from.
    pub paths_changed: u64,
    /// IKE_SA_INIT requests that wait for their turn, now.
    pub waiting_now: usize,
    /// Networks whose IKE_SA_INIT go first, now; one that was known twice may count twice.
    pub known_now: usize,
    /// IKE SAs half-open or being decided on, now.
    pub half_open_now: usize,
    /// IKE SAs established, now.
    pub established_now: usize,
    refused: [u64; Reason::ALL.len()],
}

impl Stats {
    /// How often this reason applied, whether or not the peer was told.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused.get(reason as usize).copied().unwrap_or(0)
    }

    pub(crate) fn count(&mut self, reason: Reason) {
        if let Some(counter) = self.refused.get_mut(reason as usize) {
            *counter += 1;
        }
    }
}
