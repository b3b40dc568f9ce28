use super::Socket;
use ike::Path;
use std::{io, sync::Arc};

/// Datagrams to send, in one buffer. Cleared and filled again, it stops allocating.
#[derive(Default)]
pub struct Outgoing {
    octets: Vec<u8>,
    /// Where each goes, and its end.
    datagrams: Vec<(Path, usize)>,
}

/// Octets of one run at most. A frame of 65,536 (GSO_LEGACY_MAX_SIZE) or more the kernel cuts up itself before
/// the link: less UDP, IPv6, and Ethernet with two VLAN tags.
const MAX_RUN: usize = 65_535 - 8 - 40 - 22;

/// Datagrams that go out at once.
struct Run<'a> {
    path: &'a Path,
    /// Of each but the last.
    size: usize,
    count: usize,
    octets: &'a [u8],
}

impl Outgoing {
    /// Adds a datagram that `write` appends to the buffer, unless it fails.
    ///
    /// # Errors
    /// Those of `write`, which leaves the buffer as it was.
    pub fn push_with<E>(
        &mut self,
        path: Path,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.octets)?;
        self.datagrams.push((path, self.octets.len()));
        Ok(())
    }

    /// Runs of one path and one size, but for the last of each, which may be shorter. `limit`: how many
    /// datagrams in one at most, by path.
    fn runs(&self, limit: impl Fn(&Path) -> usize) -> impl Iterator<Item = Run<'_>> {
        let mut index = 0;
        std::iter::from_fn(move || {
            let (path, first_end) = self.datagrams.get(index)?;
            let start = index.checked_sub(1).map_or(0, |before| self.datagrams[before].1);
            let size = first_end - start;
            let (mut count, mut end) = (1, *first_end);
            for (next, next_end) in self.datagrams.iter().skip(index + 1).take(limit(path).max(1) - 1) {
                if next != path || next_end - end > size || next_end - start > MAX_RUN {
                    break;
                }
                let is_shorter = next_end - end < size;
                (count, end) = (count + 1, *next_end);
                if is_shorter {
                    break;
                }
            }
            index += count;
            Some(Run { path, size, count, octets: self.octets.get(start..end)? })
        })
    }

    /// Each datagram with its path.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.runs(|_| 1).map(|run| (run.path, run.octets))
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.datagrams.clear();
    }
}

/// Sends everything, each datagram from the socket that owns its local address, and empties `outgoing`.
/// Returns how many datagrams were not taken.
pub fn send_all(sockets: &[Arc<Socket>], outgoing: &mut Outgoing) -> usize {
    let limit = |path: &Path| socket_for(sockets, path).map_or(1, Socket::run_limit);
    let lost = |run: Run<'_>| socket_for(sockets, run.path).map_or(run.count, |socket| run.send(socket));
    let lost = outgoing.runs(limit).map(lost).sum();
    outgoing.clear();
    lost
}

/// Sends each datagram with DF, and empties `probes`. One that the socket does not take has found out what
/// it was sent for: the kernel knows of a shorter MTU.
pub(crate) fn send_whole(sockets: &[Arc<Socket>], probes: &mut Outgoing) {
    for run in probes.runs(|_| 1) {
        let _ = socket_for(sockets, run.path).map(|socket| socket.send_whole(run.path, run.octets));
    }
    probes.clear();
}

impl Run<'_> {
    /// How many datagrams were not taken. What the kernel refuses as a run, such as one that is longer than
    /// the path's MTU, it may take one by one.
    fn send(&self, socket: &Socket) -> usize {
        match socket.send_run(self.path, self.octets, self.size) {
            Ok(()) => 0,
            Err(error) if self.count == 1 || error.kind() == io::ErrorKind::WouldBlock => self.count,
            Err(_) => {
                let datagrams = self.octets.chunks(self.size.max(1));
                datagrams.filter(|datagram| socket.send(self.path, datagram).is_err()).count()
            }
        }
    }
}

/// The socket that owns `path.local`.
pub(crate) fn socket_for<'a>(sockets: &'a [Arc<Socket>], path: &Path) -> Option<&'a Socket> {
    let fits = |socket: &&Arc<Socket>| {
        let local = socket.local();
        local.port() == path.local.port()
            && local.is_ipv4() == path.local.is_ipv4()
            && (local.ip().is_unspecified() || local.ip() == path.local.ip())
    };
    sockets.iter().find(fits).map(|socket| &**socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 4500).into(), peer: ([127, 0, 0, 9], port).into(), encapsulated: true }
    }

    /// Counts of the runs of datagrams with these ports and sizes.
    fn counts(datagrams: &[(u16, usize)], limit: usize) -> Vec<usize> {
        let mut outgoing = Outgoing::default();
        for (port, size) in datagrams {
            let pushed = outgoing.push_with(path(*port), |out| {
                out.resize(out.len() + size, 7);
                Ok::<_, ()>(())
            });
            assert_eq!(pushed, Ok(()));
        }
        let runs: Vec<_> = outgoing.runs(|_| limit).map(|run| (run.count, run.octets.len())).collect();
        let sizes: usize = datagrams.iter().map(|(_, size)| size).sum();
        assert_eq!(runs.iter().map(|(_, octets)| octets).sum::<usize>(), sizes);
        runs.into_iter().map(|(count, _)| count).collect()
    }

    #[test]
    fn a_run_has_one_path_and_one_size_and_ends_with_a_shorter_one() {
        assert_eq!(counts(&[(1, 90), (1, 90), (1, 40), (1, 90), (2, 90), (2, 91)], 64), [3, 1, 1, 1]);
        assert_eq!(counts(&[(1, 90); 5], 2), [2, 2, 1]);
        assert_eq!(counts(&[(1, 90); 3], 0), [1, 1, 1]);
        assert_eq!(counts(&[(1, 1400); 64], 64), [46, 18], "no more than an IPv4 packet holds");
        // 46 x 1,424 = 65,504 octets would fit an IPv4 packet, and be no frame of less than 65,536.
        assert_eq!(counts(&[(1, 1424); 46], 64), [45, 1], "no more than a link takes whole");
        assert_eq!(counts(&[], 64), [0; 0]);
    }

    #[test]
    fn a_datagram_that_fails_leaves_nothing() {
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.push_with(path(1), |_| Err(7)), Err(7));
        assert_eq!(outgoing.iter().count(), 0);
    }
}
