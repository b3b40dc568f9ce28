//! Waiting for an event, never for a length of time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` yields a value.
///
/// `what` completes the sentence "waited in vain for ...".
///
/// # Errors
/// When `within` has passed, or as soon as `look` itself fails.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("waited in vain for {what} ({within:?})");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Watches that nothing happens: fails as soon as `look` yields a value, succeeds once `during` has passed.
///
/// # Errors
/// When `look` yields something or fails.
pub fn never<T: std::fmt::Debug>(
    what: &str,
    during: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<()> {
    let end = Instant::now() + during;
    while Instant::now() < end {
        if let Some(value) = look()? {
            bail!("must not happen: {what}, but saw {value:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_yields_its_value() {
        let mut looks = 0;
        let seen = until("three looks", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn a_condition_that_never_comes_true_is_named() {
        let err = until::<()>("a miracle", Duration::ZERO, || Ok(None)).unwrap_err();
        assert!(err.to_string().contains("a miracle"), "{err}");
    }

    #[test]
    fn what_must_not_happen_is_named_when_it_does() {
        let err = never("thunder", Duration::from_secs(5), || Ok(Some(1))).unwrap_err();
        assert!(err.to_string().contains("thunder"), "{err}");
        assert!(never::<()>("thunder", Duration::ZERO, || Ok(None)).is_ok());
    }
}
