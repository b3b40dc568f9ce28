use super::{CryptoProvider, IkeKeys, Secret};
use crate::suite::CipherSuite;
use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{
        AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
        UnboundCipherKey,
    },
    hmac,
    iv::FixedLength,
};

/// Who sends under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    FromInitiator,
    FromResponder,
}

/// The ICV does not verify, or what it covers is shorter than any sealed payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("integrity check failed")]
pub(crate) struct NotAuthentic;

/// Protects the messages of one IKE SA in one direction (RFC 7296 §3.14, RFC 5282).
pub(crate) struct MessageCipher {
    suite: CipherSuite,
    encr_key: Secret,
    integ_key: Secret,
}

impl MessageCipher {
    pub(crate) fn new(suite: CipherSuite, keys: &IkeKeys, direction: Direction) -> Self {
        let (encr_key, integ_key) = match direction {
            Direction::FromInitiator => (&keys.sk_ei, &keys.sk_ai),
            Direction::FromResponder => (&keys.sk_er, &keys.sk_ar),
        };
        Self { suite, encr_key: encr_key.clone(), integ_key: integ_key.clone() }
    }

    #[cfg(feature = "key-log")]
    pub(crate) fn keys(&self) -> super::DirectionKeys<'_> {
        super::DirectionKeys { encr: &self.encr_key, integ: &self.integ_key }
    }

    /// Octets of IV before the ciphertext.
    pub(crate) fn iv_len(&self) -> usize {
        if self.suite.is_aead() { 8 } else { 16 }
    }

    /// Octets of ICV behind it.
    pub(crate) fn icv_len(&self) -> usize {
        16
    }

    /// Octets of the sealed form of `plain` octets: IV, ciphertext with padding, ICV.
    pub(crate) fn sealed_len(&self, plain: usize) -> usize {
        self.iv_len() + plain + self.pad_len(plain) + 1 + self.icv_len()
    }

    /// The most octets of plaintext whose sealed form has at most `sealed` octets.
    pub(crate) fn plain_len(&self, sealed: usize) -> usize {
        let ciphertext = sealed.saturating_sub(self.iv_len() + self.icv_len());
        let whole_blocks = if self.suite.is_aead() { ciphertext } else { ciphertext / 16 * 16 };
        whole_blocks.saturating_sub(1)
    }

    fn pad_len(&self, plain: usize) -> usize {
        if self.suite.is_aead() { 0 } else { 15 - plain % 16 }
    }

    /// Appends the sealed form of `plain`; all that `message` holds already is authenticated with it
    /// (the header and the payload headers, lengths filled in).
    ///
    /// `counter` must never repeat under these keys: it makes the GCM IV (RFC 5282 §3.1 lets the
    /// sender choose it so). CBC draws its IV.
    pub(crate) fn seal(
        &self,
        message: &mut Vec<u8>,
        plain: &[u8],
        counter: u64,
        crypto: &dyn CryptoProvider,
    ) -> Option<()> {
        let aad_len = message.len();
        let mut iv = [0; 16];
        if self.suite.is_aead() {
            iv[..8].copy_from_slice(&counter.to_be_bytes());
        } else {
            crypto.random(&mut iv);
        }
        message.extend_from_slice(&iv[..self.iv_len()]);
        let start = message.len();
        message.extend_from_slice(plain);
        let pad_len = self.pad_len(plain.len());
        message.resize(message.len() + pad_len, 0);
        message.push(u8::try_from(pad_len).ok()?);
        if self.suite.is_aead() {
            let (head, in_out) = message.split_at_mut(start);
            let nonce = self.gcm_nonce(iv.first_chunk()?)?;
            let aad = Aad::from(head.get(..aad_len)?);
            let tag = self.gcm_key()?.seal_in_place_separate_tag(nonce, aad, in_out).ok()?;
            message.extend_from_slice(tag.as_ref());
        } else {
            let key = EncryptingKey::cbc(self.cbc_key()?).ok()?;
            let context = EncryptionContext::Iv128(FixedLength::from(iv));
            key.less_safe_encrypt(message.get_mut(start..)?, context).ok()?;
            let icv = hmac::sign(&self.hmac_key(), message);
            message.extend_from_slice(icv.as_ref().get(..16)?);
        }
        Some(())
    }

    /// Opens the sealed octets that end `message` and begin at `start`; returns the plaintext.
    ///
    /// # Errors
    /// [`NotAuthentic`], also for a pad length that can't be.
    pub(crate) fn open(&self, message: &[u8], start: usize) -> Result<Vec<u8>, NotAuthentic> {
        let (aad, sealed) = message.split_at_checked(start).ok_or(NotAuthentic)?;
        let (iv, rest) = sealed.split_at_checked(self.iv_len()).ok_or(NotAuthentic)?;
        let mut plain = if self.suite.is_aead() {
            self.open_gcm(aad, iv, rest)?
        } else {
            self.open_cbc(message, iv, rest)?
        };
        let pad_len = usize::from(plain.pop().ok_or(NotAuthentic)?);
        let length = plain.len().checked_sub(pad_len).ok_or(NotAuthentic)?;
        plain.truncate(length);
        Ok(plain)
    }

    fn open_gcm(&self, aad: &[u8], iv: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let key = self.gcm_key().ok_or(NotAuthentic)?;
        let nonce = iv.first_chunk().and_then(|iv| self.gcm_nonce(iv)).ok_or(NotAuthentic)?;
        let mut in_out = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(aad), &mut in_out).map_err(|_| NotAuthentic)?.len();
        in_out.truncate(length);
        Ok(in_out)
    }

    fn open_cbc(&self, message: &[u8], iv: &[u8], rest: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let split = rest.len().checked_sub(16).filter(|length| *length > 0 && length % 16 == 0);
        let (ciphertext, icv) = rest.split_at(split.ok_or(NotAuthentic)?);
        let covered = message.len().checked_sub(16).and_then(|end| message.get(..end)).ok_or(NotAuthentic)?;
        let expected = hmac::sign(&self.hmac_key(), covered);
        let expected = expected.as_ref().get(..16).ok_or(NotAuthentic)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(expected, icv)) {
            return Err(NotAuthentic);
        }
        let key = DecryptingKey::cbc(self.cbc_key().ok_or(NotAuthentic)?).map_err(|_| NotAuthentic)?;
        let iv: [u8; 16] = iv.try_into().map_err(|_| NotAuthentic)?;
        let mut in_out = ciphertext.to_vec();
        key.decrypt(&mut in_out, DecryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| NotAuthentic)?;
        Ok(in_out)
    }

    /// Key, then 4 octets of salt (RFC 5282 §7.1).
    fn gcm_key(&self) -> Option<LessSafeKey> {
        let (key, _salt) = self.encr_key.split_last_chunk::<4>().map(|(key, salt)| (key, *salt))?;
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
    }

    fn gcm_nonce(&self, iv: &[u8; 8]) -> Option<Nonce> {
        let (_key, salt) = self.encr_key.split_last_chunk::<4>()?;
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(salt);
        nonce[4..].copy_from_slice(iv);
        Some(Nonce::assume_unique_for_key(nonce))
    }

    fn cbc_key(&self) -> Option<UnboundCipherKey> {
        let algorithm = if self.encr_key.len() == 16 { &AES_128 } else { &AES_256 };
        UnboundCipherKey::new(algorithm, &self.encr_key).ok()
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.integ_key)
    }
}
