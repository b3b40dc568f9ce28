use super::keeper::Keeper;
use super::{CaKey, KeyAlgorithm, KeyError, KeyPlace};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use std::sync::Arc;
use std::time::Duration;

/// A CA's key, opened when it is first needed and again once it was lost: its passphrase or its token may be away for a
/// while, or never answer. Meanwhile the CA is known, and does not sign.
pub(crate) struct KeptKey {
    public: SubjectPublicKeyInfo,
    keeper: Arc<Keeper>,
}

/// How long one signature is waited for, while which the ledger may wait too.
const SIGNING: Duration = Duration::from_secs(2);
/// How long is waited for a key that is looked for, while which nobody else waits.
const OPENING: Duration = Duration::from_secs(10);

impl KeptKey {
    /// The key of whose certificate this is the SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError::Foreign`] for a kind of key that no CA of ours has.
    pub(crate) fn of(place: KeyPlace, spki: &[u8]) -> Result<Self, KeyError> {
        let foreign = |_| KeyError::Foreign { place: place.to_string() };
        let public = SubjectPublicKeyInfo::from_der(spki).map_err(foreign)?;
        let keeper = Keeper::new(place, public.subject_public_key_info());
        Ok(Self { public, keeper: Arc::new(keeper) })
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
        kept.keeper.take(key);
        Ok(kept)
    }

    /// Has the key at hand.
    ///
    /// # Errors
    /// [`KeyError`], as it was when the key was last looked for.
    pub(crate) fn open(&self) -> Result<(), KeyError> {
        match self.keeper.has_key() {
            true => Ok(()),
            false => self.keeper.ask(OPENING, |keeper| keeper.key().map(drop)),
        }
    }

    /// What was wrong when the key was last used or looked for. Waits for nobody.
    pub(crate) fn trouble(&self) -> Option<KeyError> {
        self.keeper.trouble()
    }

    pub(crate) fn place(&self) -> &KeyPlace {
        self.keeper.place()
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        if let Some(Ok(signature)) = self.keeper.in_memory().map(|key| key.signature(message)) {
            return Ok(signature);
        }
        let message = message.to_vec();
        self.keeper.ask(SIGNING, move |keeper| keeper.signature(&message))
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
