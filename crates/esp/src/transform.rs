use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{
        AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
        UnboundCipherKey,
    },
    hmac,
    iv::FixedLength,
};
use ids::Spi;
use zeroize::Zeroizing;

/// Encryption and integrity of an ESP SA. Nothing weaker has a value of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-GCM, 128-bit key, 16-octet ICV (RFC 4106).
    Aes128Gcm16,
    /// AES-GCM, 256-bit key, 16-octet ICV (RFC 4106).
    Aes256Gcm16,
    /// AES-CBC, 128-bit key, HMAC-SHA-256-128 (RFC 3602, RFC 4868).
    Aes128CbcHmacSha256,
    /// AES-CBC, 256-bit key, HMAC-SHA-256-128.
    Aes256CbcHmacSha256,
}

impl Suite {
    /// Octets of AES key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes128CbcHmacSha256 => 16,
            Self::Aes256Gcm16 | Self::Aes256CbcHmacSha256 => 32,
        }
    }

    /// Encrypts and authenticates in one.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::Aes128Gcm16 | Self::Aes256Gcm16)
    }

    /// Octets of keying material for encryption: the key, and for GCM 4 octets of salt behind it.
    pub const fn encryption_len(self) -> usize {
        self.key_len() + if self.is_aead() { SALT_LEN } else { 0 }
    }

    /// Octets of integrity key.
    pub const fn integrity_len(self) -> usize {
        if self.is_aead() { 0 } else { 32 }
    }

    /// Octets of IV before the ciphertext.
    pub(crate) const fn iv_len(self) -> usize {
        if self.is_aead() { 8 } else { BLOCK }
    }

    /// What the plaintext with its padding is a multiple of (RFC 4303 §2.4).
    pub(crate) const fn alignment(self) -> usize {
        if self.is_aead() { 4 } else { BLOCK }
    }
}

const SALT_LEN: usize = 4;
const BLOCK: usize = 16;
/// Of both transforms.
pub(crate) const ICV_LEN: usize = 16;
/// SPI and the low half of the sequence number.
pub(crate) const HEADER_LEN: usize = 8;

/// The keys of one SA in one direction, wiped when they go. They stay where they are when their owner moves, so
/// that no copy is left behind.
#[derive(Clone)]
pub struct Keys {
    suite: Suite,
    octets: Zeroizing<Vec<u8>>,
}

/// Keying material of another length than the suite's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keying material does not have the suite's length")]
pub struct KeyLength;

impl Keys {
    /// `encryption`: the AES key, for GCM with the salt behind it (RFC 4106 §8.1); `integrity`: the
    /// HMAC key, empty for GCM.
    ///
    /// # Errors
    /// [`KeyLength`] unless the lengths are [`Suite::encryption_len`] and [`Suite::integrity_len`].
    pub fn new(suite: Suite, encryption: &[u8], integrity: &[u8]) -> Result<Self, KeyLength> {
        if encryption.len() != suite.encryption_len() || integrity.len() != suite.integrity_len() {
            return Err(KeyLength);
        }
        Ok(Self { suite, octets: Zeroizing::new([encryption, integrity].concat()) })
    }

    /// The suite they are for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    fn part(&self, from: usize, length: usize) -> &[u8] {
        self.octets.get(from..from + length).unwrap_or_default()
    }

    fn aes(&self) -> &[u8] {
        self.part(0, self.suite.key_len())
    }

    fn salt(&self) -> &[u8] {
        self.part(self.suite.key_len(), SALT_LEN)
    }

    fn integrity(&self) -> &[u8] {
        self.part(self.suite.encryption_len(), self.suite.integrity_len())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// The ICV does not verify, or the packet is too short or unaligned to have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// What a packet is sealed under besides the keys.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) spi: Spi,
    /// All 64 bits.
    pub(crate) sequence: u64,
    pub(crate) extended: bool,
}

impl Header {
    fn low(self) -> [u8; 4] {
        (self.sequence as u32).to_be_bytes()
    }

    fn high(self) -> [u8; 4] {
        ((self.sequence >> 32) as u32).to_be_bytes()
    }

    /// SPI and low half, as they stand on the wire.
    pub(crate) fn on_wire(self) -> [u8; HEADER_LEN] {
        let ([a, b, c, d], [e, f, g, h]) = (self.spi.0.to_be_bytes(), self.low());
        [a, b, c, d, e, f, g, h]
    }

    /// Additional authenticated data of GCM and its length: SPI, and 32 or 64 bits of sequence number
    /// (RFC 4106 §5).
    fn aad(self) -> ([u8; 12], usize) {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (self.spi.0.to_be_bytes(), self.high(), self.low());
        if self.extended {
            ([a, b, c, d, e, f, g, h, i, j, k, l], 12)
        } else {
            ([a, b, c, d, i, j, k, l, 0, 0, 0, 0], 8)
        }
    }
}

/// Seals in one direction. The key schedule is built at the first packet.
pub(crate) struct Sealer {
    keys: Keys,
    schedule: Option<SealSchedule>,
}

enum SealSchedule {
    Gcm(Box<LessSafeKey>),
    Cbc(Box<(EncryptingKey, hmac::Key)>),
}

/// Opens in one direction. The key schedule is built at the first packet.
pub(crate) struct Opener {
    keys: Keys,
    schedule: Option<OpenSchedule>,
}

enum OpenSchedule {
    Gcm(Box<LessSafeKey>),
    Cbc(Box<(DecryptingKey, hmac::Key)>),
}

impl Sealer {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, schedule: None }
    }

    pub(crate) fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// Lets the key schedule go; the next packet builds it again (130 ns for GCM).
    pub(crate) fn rest(&mut self) {
        self.schedule = None;
    }

    /// Appends header, IV, the ciphertext of what `fill` appends, and the ICV. `fill`'s octets must be
    /// a multiple of the suite's alignment. `None`, with `out` as it was, only if the crypto library
    /// refuses.
    pub(crate) fn seal(
        &mut self,
        header: Header,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Option<()> {
        let start = out.len();
        let sealed = self.seal_from(header, out, fill);
        if sealed.is_none() {
            out.truncate(start);
        }
        sealed
    }

    fn seal_from(
        &mut self,
        header: Header,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&header.on_wire());
        let schedule = match &mut self.schedule {
            Some(schedule) => schedule,
            none => none.insert(SealSchedule::new(&self.keys)?),
        };
        match schedule {
            SealSchedule::Gcm(key) => {
                let iv = header.sequence.to_be_bytes();
                out.extend_from_slice(&iv);
                let plain = out.len();
                fill(out);
                let (aad, length) = header.aad();
                let aad = Aad::from(aad.get(..length)?);
                let nonce = nonce(&self.keys, &iv)?;
                let tag = key.seal_in_place_separate_tag(nonce, aad, out.get_mut(plain..)?).ok()?;
                out.extend_from_slice(tag.as_ref());
            }
            SealSchedule::Cbc(keys) => {
                let (key, integrity) = keys.as_ref();
                let iv = cbc_iv(key, header)?;
                out.extend_from_slice(&iv);
                let plain = out.len();
                fill(out);
                let context = EncryptionContext::Iv128(FixedLength::from(iv));
                key.less_safe_encrypt(out.get_mut(plain..)?, context).ok()?;
                let tag = icv(integrity, header, out.get(start..)?);
                out.extend_from_slice(tag.as_ref().get(..ICV_LEN)?);
            }
        }
        Some(())
    }
}

impl SealSchedule {
    fn new(keys: &Keys) -> Option<Self> {
        if keys.suite.is_aead() {
            return gcm_key(keys).map(|key| Self::Gcm(Box::new(key)));
        }
        Some(Self::Cbc(Box::new((EncryptingKey::cbc(cbc_key(keys)?).ok()?, hmac_key(keys)))))
    }
}

impl Opener {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, schedule: None }
    }

    pub(crate) fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// As [`Sealer::rest`].
    pub(crate) fn rest(&mut self) {
        self.schedule = None;
    }

    /// Verifies a packet, header to ICV, and decrypts it in place; returns the plaintext with its
    /// padding and trailer. Nothing is decrypted, or the octets are wiped, unless the ICV verifies.
    pub(crate) fn open<'a>(
        &mut self,
        header: Header,
        packet: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        let iv_end = HEADER_LEN + self.keys.suite.iv_len();
        let ciphertext = packet.len().checked_sub(iv_end + ICV_LEN).ok_or(NotAuthentic)?;
        if ciphertext == 0 || ciphertext % self.keys.suite.alignment() != 0 {
            return Err(NotAuthentic);
        }
        let schedule = match &mut self.schedule {
            Some(schedule) => schedule,
            none => none.insert(OpenSchedule::new(&self.keys).ok_or(NotAuthentic)?),
        };
        match schedule {
            OpenSchedule::Gcm(key) => open_gcm(&self.keys, key, header, packet.get_mut(HEADER_LEN..)),
            OpenSchedule::Cbc(keys) => open_cbc(&keys.0, &keys.1, header, packet),
        }
    }
}

impl OpenSchedule {
    fn new(keys: &Keys) -> Option<Self> {
        if keys.suite.is_aead() {
            return gcm_key(keys).map(|key| Self::Gcm(Box::new(key)));
        }
        Some(Self::Cbc(Box::new((DecryptingKey::cbc(cbc_key(keys)?).ok()?, hmac_key(keys)))))
    }
}

fn open_gcm<'a>(
    keys: &Keys,
    key: &LessSafeKey,
    header: Header,
    sealed: Option<&'a mut [u8]>,
) -> Result<&'a mut [u8], NotAuthentic> {
    let (iv, in_out) = sealed.and_then(|sealed| sealed.split_first_chunk_mut::<8>()).ok_or(NotAuthentic)?;
    let (aad, length) = header.aad();
    let aad = Aad::from(aad.get(..length).ok_or(NotAuthentic)?);
    let nonce = nonce(keys, iv).ok_or(NotAuthentic)?;
    key.open_in_place(nonce, aad, in_out).map_err(|_| NotAuthentic)
}

fn open_cbc<'a>(
    key: &DecryptingKey,
    integrity: &hmac::Key,
    header: Header,
    packet: &'a mut [u8],
) -> Result<&'a mut [u8], NotAuthentic> {
    let (covered, tag) = packet.split_last_chunk_mut::<ICV_LEN>().ok_or(NotAuthentic)?;
    let expected = icv(integrity, header, covered);
    let expected = expected.as_ref().get(..ICV_LEN).ok_or(NotAuthentic)?;
    if !bool::from(subtle::ConstantTimeEq::ct_eq(expected, &tag[..])) {
        return Err(NotAuthentic);
    }
    let (iv, in_out) =
        covered.get_mut(HEADER_LEN..).and_then(|rest| rest.split_first_chunk_mut()).ok_or(NotAuthentic)?;
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    key.decrypt(in_out, context).map_err(|_| NotAuthentic)?;
    Ok(in_out)
}

fn gcm_key(keys: &Keys) -> Option<LessSafeKey> {
    let algorithm = if keys.suite.key_len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    UnboundKey::new(algorithm, keys.aes()).ok().map(LessSafeKey::new)
}

fn cbc_key(keys: &Keys) -> Option<UnboundCipherKey> {
    let algorithm = if keys.suite.key_len() == 16 { &AES_128 } else { &AES_256 };
    UnboundCipherKey::new(algorithm, keys.aes()).ok()
}

fn hmac_key(keys: &Keys) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, keys.integrity())
}

/// Salt and IV (RFC 4106 §4).
fn nonce(keys: &Keys, iv: &[u8; 8]) -> Option<Nonce> {
    let mut octets = [0; 12];
    let (salt, rest) = octets.split_at_mut_checked(SALT_LEN)?;
    salt.copy_from_slice(keys.salt());
    rest.copy_from_slice(iv);
    Some(Nonce::assume_unique_for_key(octets))
}

/// The sequence number as one block, encrypted: CBC of one block under a zero IV.
fn cbc_iv(key: &EncryptingKey, header: Header) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    block.get_mut(8..)?.copy_from_slice(&header.sequence.to_be_bytes());
    let zero = EncryptionContext::Iv128(FixedLength::from([0; BLOCK]));
    key.less_safe_encrypt(&mut block, zero).ok()?;
    Some(block)
}

/// Over the packet up to its ICV, with ESN followed by the high half (RFC 4303 §2.2.1, §2.8).
fn icv(key: &hmac::Key, header: Header, covered: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(covered);
    if header.extended {
        context.update(&header.high());
    }
    context.sign()
}

#[cfg(test)]
mod tests;
