use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

/// A new folder of this process's own, removed when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Below `parent`, else where temporary files go.
    pub(crate) fn make(parent: Option<&Path>, name: &str) -> io::Result<Self> {
        let parent = parent.map_or_else(env::temp_dir, Path::to_owned);
        let path = parent.join(format!("{name}-{}", process::id()));
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::create_dir_all(&parent).and_then(|()| fs::create_dir(&path)).map_err(named)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
