use crate::progress::Progress;

/// How much is done, on the terminal.
pub(super) struct Work {
    bar: Progress,
    done: usize,
}

impl Work {
    pub(super) fn new(total: usize) -> Self {
        Self { bar: Progress::new(total), done: 0 }
    }

    pub(super) fn one_done(&mut self) {
        self.done += 1;
        self.bar.at(self.done);
    }
}
