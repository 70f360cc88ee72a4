//! The pool of goroutines that count words.

use gmp::context::Context;
use gmp::sync::WaitGroup;
use gmp::{Chan, chan, select};

/// Texts that may wait for a worker.
const QUEUE: usize = 64;

/// A pool of goroutines.
#[derive(Clone)]
pub struct Pool {
    jobs: Chan<Job>,
    workers: WaitGroup,
}

/// A text whose words are to be counted, for a request.
struct Job {
    ctx: Context,
    text: String,
    answer: Chan<usize>,
}

impl Pool {
    /// Starts so many workers.
    pub fn start(workers: usize) -> Self {
        let pool = Self { jobs: chan(QUEUE), workers: WaitGroup::new() };
        for _ in 0..workers {
            pool.workers.go(work(pool.jobs.clone()));
        }
        pool
    }

    /// The number of words; `None` if the request was cancelled first.
    pub async fn count(&self, ctx: &Context, text: String) -> Option<usize> {
        // Room for the answer: the worker never waits for a request that is gone.
        let answer = chan(1);
        let job = Job { ctx: ctx.clone(), text, answer: answer.clone() };
        select! {
            send(self.jobs, job) => {},
            _ = ctx.done() => return None,
        }
        select! {
            recv(answer) -> count => count,
            _ = ctx.done() => None,
        }
    }

    /// Ends the workers once the queue is empty.
    pub async fn stop(self) {
        self.jobs.close();
        self.workers.wait().await;
    }
}

async fn work(jobs: Chan<Job>) {
    while let Some(job) = jobs.recv().await {
        // Nobody waits for the answer any more.
        if job.ctx.err().is_none() {
            job.answer.send(job.text.split_whitespace().count()).await;
        }
    }
}
