use crate::{shard::Command, waker::Waker};
use crossbeam_channel::{Sender, TrySendError};
use std::collections::VecDeque;

/// The way of commands to one shard.
pub(crate) struct CommandLink {
    commands: Sender<Command>,
    /// Found no room yet.
    kept: VecDeque<Command>,
    waker: Waker,
    /// It has got some since it was last woken.
    commanded: bool,
}

impl CommandLink {
    pub(crate) fn new(commands: Sender<Command>, waker: Waker) -> Self {
        Self { commands, kept: VecDeque::new(), waker, commanded: false }
    }

    /// None may be lost, and a shard that is stuck is not waited for.
    pub(crate) fn give(&mut self, command: Command) {
        self.kept.push_back(command);
        self.hand_on();
    }

    /// Some wait for room: call [`Self::wake`] again soon.
    pub(crate) fn keeps(&self) -> bool {
        !self.kept.is_empty()
    }

    fn hand_on(&mut self) {
        while let Some(command) = self.kept.pop_front() {
            match self.commands.try_send(command) {
                Ok(()) => self.commanded = true,
                Err(TrySendError::Full(command)) => return self.kept.push_front(command),
                Err(TrySendError::Disconnected(_)) => return self.kept.clear(),
            }
        }
    }

    /// Call before sleeping, and before anybody is answered.
    pub(crate) fn wake(&mut self) {
        self.hand_on();
        if std::mem::take(&mut self.commanded) {
            self.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;
    use ike::IkeSaId;

    #[test]
    fn a_shard_that_takes_nothing_is_not_waited_for_and_gets_all_in_order_later() {
        let (commands, taken) = bounded(1);
        let mut link = CommandLink::new(commands, Waker::new().unwrap());
        for id in 0..100 {
            link.give(Command::Hold(IkeSaId(id)));
        }
        assert!(link.keeps());
        let mut order = Vec::new();
        while let Ok(command) = taken.try_recv() {
            order.extend(command.sa().map(|sa| sa.0));
            link.wake();
        }
        assert_eq!(order, (0..100).collect::<Vec<_>>());
        assert!(!link.keeps());
    }
}
