use aws_lc_rs::digest::{Context, SHA256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// CA signatures that verified before, so that an intermediate costs one hash instead of one
/// verification. A signature that verified once verifies always: remembering it changes no answer.
///
/// Only what verified is kept, by SHA-256 over key, algorithm, signature and message. Bounded: at
/// [`Memo::MOST`] entries (32 octets each) it starts again empty. Device certificates never go in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo(Arc<Mutex<HashSet<[u8; 32]>>>);

/// One signature to be remembered.
pub(crate) struct Signed<'a> {
    pub(crate) public_key: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Memo {
    /// Far above the number of intermediates of any carrier; 1024 x 32 octets = 32 KiB.
    const MOST: usize = 1024;

    pub(crate) fn knows(&self, signed: &Signed<'_>) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&signed.digest())
    }

    pub(crate) fn remember(&self, signed: &Signed<'_>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(signed.digest());
    }
}

impl Signed<'_> {
    /// Each field goes in behind its length, so that no two signatures share an input.
    fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for field in [self.public_key, self.algorithm, self.message, self.signature] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        let mut octets = [0; 32];
        octets.copy_from_slice(context.finish().as_ref());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_signatures_are_remembered_than_there_is_room_for() {
        let memo = Memo::default();
        let messages: Vec<_> = (0..Memo::MOST + 10).map(|number| number.to_be_bytes()).collect();
        let signed = |message| Signed { public_key: &[1], algorithm: &[2], message, signature: &[3] };
        for message in &messages {
            memo.remember(&signed(message));
            assert!(memo.0.lock().unwrap().len() <= Memo::MOST);
        }
        assert!(memo.knows(&signed(&messages[Memo::MOST + 9])), "the last one");
        assert!(!memo.knows(&signed(&messages[0])), "it has begun anew");
    }
}
