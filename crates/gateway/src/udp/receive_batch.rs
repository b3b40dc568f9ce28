use quinn_udp::{BATCH_SIZE, RecvMeta};
use std::io::{self, IoSliceMut};

/// Room for one batch of datagrams. With GRO a buffer may hold several of one size.
pub struct ReceiveBatch {
    octets: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// The longest UDP payload.
const MAX_DATAGRAM: usize = 1 << 16;

impl Default for ReceiveBatch {
    /// The kernel maps the pages when they are first written.
    fn default() -> Self {
        Self {
            octets: vec![0; MAX_DATAGRAM * BATCH_SIZE],
            meta: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }
}

impl ReceiveBatch {
    pub(super) fn fill(
        &mut self,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.filled = 0;
        let mut rest = self.octets.as_mut_slice();
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(MAX_DATAGRAM);
            rest = tail;
            IoSliceMut::new(head)
        });
        self.filled = receive(&mut slices, &mut self.meta)?;
        Ok(self.filled)
    }

    /// Each datagram of the last receive.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (&RecvMeta, &mut [u8])> {
        let buffers = self.octets.chunks_mut(MAX_DATAGRAM);
        self.meta.iter().zip(buffers).take(self.filled).flat_map(|(meta, buffer)| {
            let received = buffer.get_mut(..meta.len).unwrap_or_default();
            received.chunks_mut(meta.stride.max(1)).map(move |datagram| (meta, datagram))
        })
    }
}
