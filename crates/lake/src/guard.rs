use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does what reads octets of others by a library that gives up on some of them with a panic: that is then an error as any other. Nothing
/// of what `read` had at hand is used afterwards.
pub(crate) fn guarded<T, E>(
    damaged: impl FnOnce(String) -> E,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(damaged(format!("its octets do not go together ({})", text.unwrap_or("no reason is known"))))
    })
}
