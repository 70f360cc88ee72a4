//! cockroach 13197: a transaction is dropped without commit or rollback, so nobody cancels.

use gmp::context::{Cancel, Context, background, with_cancel};
use gmp::go;

struct Transaction {
    context: Context,
    cancel: Cancel,
}

impl Transaction {
    fn begin() -> Self {
        let (context, cancel) = with_cancel(&background());
        let transaction = Self { context, cancel };
        let context = transaction.context.clone();
        go(async move {
            context.done().await;
        });
        transaction
    }

    fn roll_back(&self) {
        self.cancel.cancel();
    }
}

pub(crate) async fn kernel(control: bool) {
    let transaction = Transaction::begin();
    if control {
        transaction.roll_back();
    }
}
