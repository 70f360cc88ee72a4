//! The netpoll of a build without the feature `net`: nothing ever waits there.

use std::sync::Arc;
use std::time::Duration;

use crate::g::Wake;

/// Never on.
pub(crate) struct Netpoll;

impl Netpoll {
    pub(crate) fn new(_: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Self)
    }

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn look(&self) -> Vec<Wake> {
        Vec::new()
    }

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn block(&self, _: Option<Duration>) -> Vec<Wake> {
        unreachable!("only a netpoll that is on is waited in")
    }

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn interrupt(&self) {}

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn is_listened_to(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "the twin looks at itself")]
    pub(crate) fn looks(&self) -> Option<u32> {
        None
    }
}

/// Whether a goroutine of this process may wait for a descriptor.
pub(crate) fn anybody_waits() -> bool {
    false
}
