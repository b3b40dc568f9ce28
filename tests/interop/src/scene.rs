//! One scenario's world and its leavings.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::tail;

/// Lines of each log that are shown when a scenario fails.
const SHOWN: usize = 60;

/// A directory for everything that a scenario writes. It is removed when the scenario holds; when it fails, the directory
/// stays and the end of every log in it is printed.
#[derive(Debug)]
pub struct Scene {
    dir: PathBuf,
    held: Cell<bool>,
}

impl Scene {
    /// Plays a scenario.
    ///
    /// # Panics
    /// When `body` fails; the message is its error.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn play(name: &str, body: impl FnOnce(&Scene) -> Result<()>) {
        if let Err(error) = Self::try_play(name, body) {
            panic!("{error:#}");
        }
    }

    /// Where a part of the scenario keeps its files: a directory that exists.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn dir(&self, part: &str) -> Result<PathBuf> {
        let dir = self.dir.join(part);
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    fn try_play(name: &str, body: impl FnOnce(&Scene) -> Result<()>) -> Result<()> {
        // Short, since the paths of sockets below are limited to 107 octets.
        let dir = tempfile::Builder::new().prefix(&format!("tci-{name}-")).tempdir()?.keep();
        let scene = Self { dir, held: Cell::new(false) };
        body(&scene)?;
        scene.held.set(true);
        Ok(())
    }
}

impl Drop for Scene {
    #[allow(clippy::print_stderr, reason = "shown by the test harness beside the failure")]
    fn drop(&mut self) {
        if self.held.get() {
            let _ = fs::remove_dir_all(&self.dir);
            return;
        }
        for log in logs(&self.dir) {
            let text = fs::read(&log).unwrap_or_default();
            eprintln!("==== {}\n{}\n", log.display(), tail(&String::from_utf8_lossy(&text), SHOWN));
        }
    }
}

/// The logs directly in the parts of a scene, in order.
fn logs(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "log" || end == "out");
    let mut logs: Vec<PathBuf> = entries(dir).flat_map(|part| entries(&part)).filter(is_log).collect();
    logs.sort();
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_away_with_a_scenario_that_held_and_stay_with_one_that_failed() {
        let mut seen = PathBuf::new();
        Scene::play("held", |scene| {
            seen = scene.dir("part")?;
            Ok(())
        });
        assert!(!seen.exists());
        let failed = Scene::try_play("failed", |scene| {
            seen = scene.dir("part")?;
            anyhow::bail!("no")
        });
        assert!(failed.is_err() && seen.exists());
        fs::remove_dir_all(seen.parent().unwrap()).unwrap();
    }
}
