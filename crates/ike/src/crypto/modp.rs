use super::{Ephemeral, KeyExchangeError, Secret};
use crypto_bigint::{
    CtEq, CtSelect, Odd, U256, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use std::sync::LazyLock;
use zeroize::{Zeroize, Zeroizing};

/// The 2048-bit MODP group (RFC 3526 §3): generator 2, a safe prime.
const PRIME: U2048 = U2048::from_be_hex(concat!(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74",
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437",
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed",
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05",
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb",
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b",
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718",
    "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff",
));

static PARAMS: LazyLock<Option<FixedMontyParams<{ U2048::LIMBS }>>> =
    LazyLock::new(|| Some(FixedMontyParams::new_vartime(Odd::new(PRIME).into_option()?)));

/// Octets of a public value and of the shared secret (RFC 7296 §2.14: padded to the prime's length).
pub(super) const LEN: usize = 256;

/// One side of a group 14 exchange. The exponent has 256 bits, twice the strength of the group.
pub(super) struct Modp2048 {
    exponent: U256,
    public_value: [u8; LEN],
}

impl Modp2048 {
    pub(super) fn new(random: impl FnOnce(&mut [u8])) -> Option<Self> {
        let mut octets = Zeroizing::new([0; 32]);
        random(octets.as_mut_slice());
        let exponent = U256::from_be_slice(octets.as_slice());
        let public_value = power_of_two(&exponent)?;
        Some(Self { exponent, public_value: public_value.to_be_bytes().into() })
    }
}

impl Ephemeral for Modp2048 {
    fn public_value(&self) -> &[u8] {
        &self.public_value
    }

    fn agree(&self, peer: &[u8]) -> Result<Secret, KeyExchangeError> {
        if peer.len() != LEN {
            return Err(KeyExchangeError);
        }
        let peer = U2048::from_be_slice(peer);
        // 1 < y < p - 1 (RFC 6989 §2.1). In a safe-prime group nothing else has a small order.
        if peer <= U2048::ONE || peer >= PRIME.wrapping_sub(&U2048::ONE) {
            return Err(KeyExchangeError);
        }
        let shared = Zeroizing::new(power(&peer, &self.exponent).ok_or(KeyExchangeError)?);
        Ok(Zeroizing::new(shared.to_be_bytes().as_ref().to_vec()))
    }
}

impl Drop for Modp2048 {
    fn drop(&mut self) {
        self.exponent.zeroize();
    }
}

/// `base` to the power of `exponent`, in time that depends on neither.
fn power(base: &U2048, exponent: &U256) -> Option<U2048> {
    let params = PARAMS.as_ref()?;
    Some(FixedMontyForm::new(base, params).pow(exponent).retrieve())
}

/// 2^(d * 16^w) in Montgomery form, a row of 16 digits d for each of the 64 places w of an exponent:
/// 256 KiB, made at first use. Key pairs then need a fifth of the time of [`power`].
static POWERS_OF_TWO: LazyLock<Vec<[U2048; 16]>> = LazyLock::new(|| {
    let Some(params) = PARAMS.as_ref() else { return Vec::new() };
    let mut base = FixedMontyForm::new(&U2048::from_u8(2), params);
    let row = |_place| {
        let mut power = FixedMontyForm::one(params);
        let row = std::array::from_fn(|_digit| {
            let entry = power.to_montgomery();
            power *= base;
            entry
        });
        base = power;
        row
    };
    (0..64).map(row).collect()
});

/// 2 to the power of `exponent`, in time that does not depend on it.
fn power_of_two(exponent: &U256) -> Option<U2048> {
    let params = PARAMS.as_ref()?;
    let octets = Zeroizing::new(exponent.to_le_bytes());
    let digits = octets.as_ref().iter().flat_map(|octet| [octet & 0xf, octet >> 4]);
    let product =
        POWERS_OF_TWO.iter().zip(digits).fold(FixedMontyForm::one(params), |product, (row, digit)| {
            product * FixedMontyForm::from_montgomery(pick(row, digit), params)
        });
    Some(product.retrieve())
}

/// The entry at `digit`; reads all of them, so that no cache tells which.
fn pick(row: &[U2048; 16], digit: u8) -> U2048 {
    let entries = row.iter().zip(0u8..);
    entries.fold(U2048::ZERO, |picked, (entry, index)| picked.ct_select(entry, index.ct_eq(&digit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_table_of_powers_of_two_gives_what_plain_powers_give(octets in any::<[u8; 32]>()) {
            let exponent = U256::from_be_slice(&octets);
            prop_assert_eq!(power_of_two(&exponent), power(&U2048::from_u8(2), &exponent));
        }
    }

    #[test]
    fn section_4_line_21_modp_values_one_and_p_minus_one_and_beyond_are_refused() {
        let p_minus_1 = PRIME.wrapping_sub(&U2048::ONE);
        for bad in [U2048::ZERO, U2048::ONE, p_minus_1, PRIME, U2048::MAX] {
            let own = Box::new(Modp2048::new(|out| out.fill(7)).unwrap());
            assert!(own.agree(bad.to_be_bytes().as_ref()).is_err());
        }
        let own = Box::new(Modp2048::new(|out| out.fill(7)).unwrap());
        assert!(own.agree(&[2; 255]).is_err());
    }

    #[test]
    fn both_sides_agree_and_small_powers_are_known() {
        let exponent_3 = |out: &mut [u8]| {
            out.fill(0);
            out[31] = 3;
        };
        let three = Box::new(Modp2048::new(exponent_3).unwrap());
        assert_eq!(U2048::from_be_slice(three.public_value()), U2048::from_u8(8), "2^3");
        let other = Box::new(Modp2048::new(|out| out.fill(0x5a)).unwrap());
        let (of_three, of_other) = (three.public_value, other.public_value);
        assert_eq!(three.agree(&of_other).unwrap(), other.agree(&of_three).unwrap());
    }
}
