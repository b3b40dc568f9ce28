use std::io::{IsTerminal, Write};

/// A line that fills up, on standard error and only on a terminal.
pub(crate) struct Progress {
    total: usize,
    shown: bool,
}

/// Cells of the bar.
const WIDTH: usize = 30;

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, shown: std::io::stderr().is_terminal() && total > 0 }
    }

    pub(crate) fn at(&self, done: usize) {
        if self.shown {
            // A terminal that went away changes nothing about the work.
            let _ = write!(std::io::stderr(), "\r{}", bar(done, self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// How full it is, and of how much.
pub(crate) fn bar(done: usize, total: usize) -> String {
    let full = WIDTH * done.min(total) / total.max(1);
    format!("[{}{}] {done}/{total}", "#".repeat(full), " ".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_is_full_at_the_end_and_never_longer() {
        assert_eq!(bar(0, 0), format!("[{}] 0/0", " ".repeat(30)));
        assert_eq!(bar(5, 10), format!("[{}{}] 5/10", "#".repeat(15), " ".repeat(15)));
        assert!(bar(11, 10).starts_with(&format!("[{}]", "#".repeat(30))));
    }
}
