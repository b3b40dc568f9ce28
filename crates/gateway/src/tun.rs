//! A TUN device as the core: what leaves tunnels goes to the kernel, which routes it on, and what the
//! kernel routes to the pools comes back.
//!
//! Each shard has a queue of its own. Where the kernel does segmentation offload, one system call carries
//! up to 64 KiB of a TCP connection; without it everything works, more slowly.

use crate::{
    core::{Core, Packets},
    offload::{Merger, VirtioNet, split},
};
use rustix::io::Errno;
use std::{
    ffi::CStr,
    fs::OpenOptions,
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
};

/// An open device, its queues not yet in use. Gone with its last queue.
pub struct Tun {
    name: String,
    queues: Vec<OwnedFd>,
    offload: bool,
}

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// No /dev/net/tun, or not allowed.
    #[error("/dev/net/tun cannot be opened")]
    Open(#[source] io::Error),
    /// The name is taken or not allowed, or CAP_NET_ADMIN is missing.
    #[error("TUN device {name} cannot be made")]
    Make {
        /// Which.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Names of interfaces, their end included.
const MAX_NAME: usize = libc::IFNAMSIZ;

impl Tun {
    /// Makes a device. `name`: 1 to 15 octets, with `%d` for a free number; `queues`: one for each
    /// shard.
    ///
    /// # Errors
    /// [`TunError`]
    pub fn open(name: &str, queues: usize) -> Result<Self, TunError> {
        let mut made = name.to_owned();
        let mut opened = Vec::with_capacity(queues);
        for _ in 0..queues.max(1) {
            let queue = open_device().map_err(TunError::Open)?;
            let is_one_of_many = queues > 1;
            let attached = attach(&queue, &made, is_one_of_many);
            made = attached.map_err(|source| TunError::Make { name: made.clone(), source })?;
            opened.push(queue);
        }
        let offload = opened.iter().all(ask_for_offload);
        if !offload {
            tracing::warn!(device = made, "no segmentation offload on this TUN device: it will be slower");
        }
        Ok(Self { name: made, queues: opened, offload })
    }

    /// Its name, as the kernel made it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// TCP segmentation and checksums are offloaded.
    pub fn has_offload(&self) -> bool {
        self.offload
    }

    /// One core for each shard.
    pub fn into_cores(self) -> Vec<Box<dyn Core>> {
        let core = |queue| Box::new(TunCore::new(queue)) as Box<dyn Core>;
        self.queues.into_iter().map(core).collect()
    }
}

fn open_device() -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    Ok(options.open("/dev/net/tun")?.into())
}

/// Attaches a queue to the device of that name, which is made if there is none; the name that it has.
fn attach(queue: &OwnedFd, name: &str, is_one_of_many: bool) -> io::Result<String> {
    if name.is_empty() || name.len() >= MAX_NAME || name.bytes().any(|octet| octet == 0) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let many = if is_one_of_many { libc::IFF_MULTI_QUEUE } else { 0 };
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | many;
    let mut request = libc::ifreq {
        ifr_name: [0; MAX_NAME],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short },
    };
    for (place, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = octet as libc::c_char;
    }
    set_interface(queue, &mut request)?;
    let name = request.ifr_name.map(|octet| octet as u8);
    let name = CStr::from_bytes_until_nul(&name).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(name.to_string_lossy().into_owned())
}

#[allow(unsafe_code)]
fn set_interface(queue: &OwnedFd, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `queue` is borrowed; TUNSETIFF reads and writes one
    // `ifreq`, which `request` is, exclusively borrowed and whole.
    let result = unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETIFF, std::ptr::from_mut(request)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel hand over TCP data whole and checksums unfinished; `false` where it can't.
#[allow(unsafe_code)]
fn ask_for_offload(queue: &OwnedFd) -> bool {
    let wanted = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // SAFETY: the descriptor is open for as long as `queue` is borrowed; TUNSETOFFLOAD takes its argument
    // by value.
    unsafe { libc::ioctl(queue.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(wanted)) == 0 }
}

/// One queue, used by one shard.
struct TunCore {
    queue: Queue,
    /// Writes several packets as one; off for good once the kernel has refused that.
    merges: bool,
    merger: Merger,
    large: Box<[u8; MAX_PACKET]>,
}

/// The longest packet that the kernel hands over.
const MAX_PACKET: usize = 1 << 16;
/// Octets read in a row before what was read goes on: 4 large packets.
const READ_AT_ONCE: usize = 4 * MAX_PACKET;
/// Parts of one write: headers, and one for each packet in it.
const MAX_PARTS: usize = Merger::MAX_PACKETS + 1;

impl TunCore {
    fn new(queue: OwnedFd) -> Self {
        let queue = Queue { fd: queue, is_gone: false };
        Self { queue, merges: true, merger: Merger::default(), large: Box::new([0; MAX_PACKET]) }
    }

    /// How many were not taken.
    fn write_merged(&mut self, packets: &Packets) -> usize {
        self.merger.look_at(packets);
        let mut lost = 0;
        for write in self.merger.writes(packets) {
            match self.queue.write_parts(write.parts()) {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::OPNOTSUPP) if write.count() > 1 => {
                    tracing::warn!("this TUN device takes no merged packets: writing them one by one");
                    self.merges = false;
                    lost += write.packets().map(|packet| self.queue.write(packet)).sum::<usize>();
                }
                Err(_) => lost += write.count(),
            }
        }
        lost
    }
}

/// The device's end in this process.
struct Queue {
    fd: OwnedFd,
    /// The device was deleted, as the last use has shown.
    is_gone: bool,
}

impl Queue {
    /// 1 if it was not taken.
    fn write(&mut self, packet: &[u8]) -> usize {
        let parts = [[0; VirtioNet::LENGTH].as_slice(), packet];
        usize::from(self.write_parts(parts.into_iter()).is_err())
    }

    fn write_parts<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> Result<(), Errno> {
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        let written = rustix::io::writev(&self.fd, slices.get(..count).unwrap_or_default());
        written.map(drop).inspect_err(|error| self.note(*error))
    }

    /// Octets of header and packet; 0 when there is none.
    fn read(&mut self, header: &mut [u8], packet: &mut [u8]) -> usize {
        let mut slices = [IoSliceMut::new(header), IoSliceMut::new(packet)];
        let read = rustix::io::readv(&self.fd, &mut slices);
        read.inspect_err(|error| self.note(*error)).unwrap_or(0)
    }

    fn note(&mut self, error: Errno) {
        self.is_gone |= error == Errno::BADFD;
    }
}

impl Core for TunCore {
    fn uplink(&mut self, packets: &Packets) -> usize {
        if self.merges && packets.len() > 1 {
            self.write_merged(packets)
        } else {
            packets.iter().map(|packet| self.queue.write(packet)).sum()
        }
    }

    fn downlink(&mut self, packets: &mut Packets) -> usize {
        let mut header = [0; VirtioNet::LENGTH];
        let (mut read, mut unfit) = (0, 0);
        while read < READ_AT_ONCE {
            let length = self.queue.read(&mut header, self.large.as_mut_slice());
            let Some(length) = length.checked_sub(VirtioNet::LENGTH) else { break };
            read += length.max(1);
            let parsed = VirtioNet::parse(&header).zip(self.large.get(..length));
            let done = parsed.map(|(header, packet)| split(header, packet, packets));
            if !matches!(done, Some(Ok(()))) {
                tracing::debug!(?header, length, "the TUN device handed over what it was not asked for");
                unfit += 1;
            }
        }
        unfit
    }

    fn heeds_errors(&self) -> bool {
        true
    }

    /// A device that is gone would be readable all the time.
    fn readable(&self) -> Option<BorrowedFd<'_>> {
        (!self.queue.is_gone).then(|| self.queue.fd.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["", "a-name-of-16-octets", "nul\0"] {
            let queue = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
            let error = attach(&queue, name, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    #[ignore = "makes a TUN device, so in a network namespace of its own: ./test unsafe"]
    fn a_device_has_the_name_that_the_kernel_gave_it_and_a_core_for_each_queue() {
        let tun = Tun::open("truecell%d", 2).unwrap();
        assert_eq!((tun.name(), tun.has_offload()), ("truecell0", true));
        assert!(matches!(Tun::open("truecell0", 1), Err(TunError::Make { .. })), "it is taken");
        let mut cores = tun.into_cores();
        assert_eq!(cores.len(), 2);
        let (mut packets, core) = (Packets::new(), &mut cores[0]);
        assert_eq!((core.downlink(&mut packets), packets.len()), (0, 0));
        packets.push(&[0x45; 40]);
        assert_eq!(core.uplink(&packets), 1, "the device is down");
    }
}
