//! cockroach 13755: the rows of a query are dropped without being closed, so nobody cancels.

use gmp::context::{Cancel, background, with_cancel};
use gmp::go;

struct Rows {
    cancel: Cancel,
}

impl Rows {
    fn close(self) {
        self.cancel.cancel();
    }
}

pub(crate) async fn kernel(control: bool) {
    let (context, cancel) = with_cancel(&background());
    let rows = Rows { cancel };
    go(async move {
        context.done().await;
    });
    if control {
        rows.close();
    }
}
