//! What a TUN device can leave to us: TCP data in pieces of up to 64 KiB instead of packets
//! (segmentation offload), and checksums. Pure; `tun.rs` brings the device.
//!
//! From the kernel comes one large packet with a header that says how to cut it ([`split`]); to the
//! kernel go runs of packets of one TCP connection as one ([`Merger`]), so that a system call carries
//! many. Packets that fit no run go as they are, and never overtake others of their connection.

mod checksum;
mod merge;
mod split;
mod virtio_net;

pub(crate) use checksum::Checksum;
pub(crate) use merge::Merger;
pub(crate) use split::split;
#[cfg(feature = "fuzz")]
pub(crate) use virtio_net::Segments;
pub(crate) use virtio_net::VirtioNet;
