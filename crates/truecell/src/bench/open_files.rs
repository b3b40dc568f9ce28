use super::Lacks;
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// Lets this process have `files` open files, and those that it starts.
///
/// # Errors
/// The limit is lower, and this process may not raise it: root alone is not enough, CAP_SYS_RESOURCE is (setrlimit(2)).
pub(crate) fn allow(files: u64) -> anyhow::Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    let wanted = maximum.map(|maximum| maximum.max(files));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: wanted }) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => Err(Lacks::Files { needed: files, limit: maximum.unwrap_or(files) }.into()),
        Err(error) => Err(anyhow::Error::new(error).context("the limit of open files cannot be raised")),
    }
}
