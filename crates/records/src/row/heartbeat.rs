row! {
    /// The feed works, and all that it has to say of the time before is said.
    Heartbeat;
    needs {}
    may {}
}

impl Heartbeat {
    pub(super) fn wrong(&self) -> Option<&'static str> {
        None
    }
}
