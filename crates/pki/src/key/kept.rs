use super::{CaKey, KeyAlgorithm, KeyError, KeyPlace};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A CA's key, opened when it is first needed and again once it was lost: its passphrase or its token may be away for a
/// while. Meanwhile the CA is known, and does not sign.
pub(crate) struct KeptKey {
    place: KeyPlace,
    public: SubjectPublicKeyInfo,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    key: Option<Arc<dyn CaKey>>,
    /// What was wrong when it was last tried, and when that was.
    trouble: Option<(KeyError, Instant)>,
}

/// Whatever is asked of a key that cannot be had, it is looked for no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl KeptKey {
    /// The key of whose certificate this is the SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError::Foreign`] for a kind of key that no CA of ours has.
    pub(crate) fn of(place: KeyPlace, spki: &[u8]) -> Result<Self, KeyError> {
        let foreign = |_| KeyError::Foreign { place: place.to_string() };
        let public = SubjectPublicKeyInfo::from_der(spki).map_err(foreign)?;
        Ok(Self { place, public, state: Mutex::default() })
    }

    /// The key that is there, whosever it is.
    ///
    /// # Errors
    /// As [`KeyPlace::open`].
    pub(crate) fn at(place: KeyPlace) -> Result<Self, KeyError> {
        let key = place.open()?;
        Self::with(place, key)
    }

    /// A fresh key.
    ///
    /// # Errors
    /// As [`KeyPlace::make`].
    pub(crate) fn make(place: KeyPlace, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let key = place.make(algorithm)?;
        Self::with(place, key)
    }

    fn with(place: KeyPlace, key: Arc<dyn CaKey>) -> Result<Self, KeyError> {
        let kept = Self::of(place, &key.subject_public_key_info())?;
        kept.state().key = Some(key);
        Ok(kept)
    }

    /// Has the key at hand.
    ///
    /// # Errors
    /// [`KeyError`], as it was when the key was last looked for.
    pub(crate) fn open(&self) -> Result<Arc<dyn CaKey>, KeyError> {
        let mut state = self.state();
        if let Some(key) = &state.key {
            return Ok(key.clone());
        }
        match &state.trouble {
            Some((error, at)) if at.elapsed() < LOOK_EVERY => return Err(error.clone()),
            Some(_) | None => (),
        }
        let opened = self.place.open().and_then(|key| self.own(key));
        state.trouble = opened.as_ref().err().map(|error| (error.clone(), Instant::now()));
        state.key = opened.as_ref().ok().cloned();
        opened
    }

    /// What was wrong when the key was last used or looked for.
    pub(crate) fn trouble(&self) -> Option<KeyError> {
        self.state().trouble.as_ref().map(|(error, _)| error.clone())
    }

    pub(crate) fn place(&self) -> &KeyPlace {
        &self.place
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = self.open()?.signature(message);
        // A session ends with its token, and the next may do.
        signed.or_else(|_| {
            *self.state() = State::default();
            self.open()?.signature(message).inspect_err(|error| {
                *self.state() = State { key: None, trouble: Some((error.clone(), Instant::now())) };
            })
        })
    }

    fn own(&self, key: Arc<dyn CaKey>) -> Result<Arc<dyn CaKey>, KeyError> {
        match key.subject_public_key_info() == self.public.subject_public_key_info() {
            true => Ok(key),
            false => Err(KeyError::Foreign { place: self.place.to_string() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PublicKeyData for KeptKey {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for KeptKey {
    /// [`Self::trouble`] has why it did not.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signature(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
