use std::time::Duration;

/// Connections at a time, from everywhere; a process with few open files takes fewer.
pub const PLACES: usize = 1024;
/// CMP messages and EST requests that have begun, each in a thread of its own: what shares one transaction of the register.
pub const BEGUN: usize = 64;

/// What those who come may hold and cost. The octets of a message are bounded by [`cmp::MAX_MESSAGE`],
/// [`pki::est::MAX_BODY`] and [`pki::ocsp::MAX_REQUEST`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time. Who finds no place waits in the kernel's queue.
    pub places: usize,
    /// Of these, from one address, or one /64 of IPv6: one household behind its NAT has a unit or two, a
    /// carrier's NAT many. Who comes beyond is turned away.
    pub of_one_source: usize,
    /// How long the head of a request may take, and a TLS handshake before it; as long a connection may be idle.
    pub head: Duration,
    /// How long the body may take.
    pub body: Duration,
    /// How long a connection may last, whatever it does: a list of 10 MB over a line of 1 Mbit/s.
    pub life: Duration,
    /// Requests on one connection.
    pub requests: usize,
    /// CMP messages and EST requests that are judged at once. Fewer than the threads of IKE and data that they run beside.
    pub cmp_at_once: usize,
    /// Those that have begun: they are judged, or wait for the register and its disk.
    pub cmp_begun: usize,
    /// Those that wait to begin: a second's work.
    pub cmp_waiting: usize,
    /// OCSP requests that are answered at once.
    pub ocsp_at_once: usize,
    /// OCSP requests that wait for that.
    pub ocsp_waiting: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            places: PLACES,
            of_one_source: 32,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            life: Duration::from_secs(120),
            requests: 100,
            cmp_at_once: 2,
            cmp_begun: BEGUN,
            cmp_waiting: 128,
            ocsp_at_once: 2,
            ocsp_waiting: 512,
        }
    }
}
