//! A small program whose reports the golden files show.

pub async fn shuts_down() -> Result<(), Error> {
    let jobs = gmp::chan::<Job>(8);
    let done = gmp::chan::<u32>(0);
    let pool = Pool { jobs: jobs.clone(), log: Mutex::new(Log::default()) };
    let pool = Arc::new(pool);
    let (parent, _cancel) = gmp::context::with_cancel(&gmp::test::context());
    let wg = gmp::sync::WaitGroup::new();
    for _ in 0..3 {
        let pool = pool.clone();
        gmp::go(async move { pool.work().await });
    }
    gmp::go(async move {
        let (ctx, _cancel) = gmp::context::with_cancel(&gmp::context::background());
        watch(&ctx, &done).await
    });
    wg.add(3);
    gmp::go(async move { wg.done() });
    wg.wait().await;
    Ok(())
}

impl Pool {
    async fn work(&self) {
        while let Some(job) = self.next().await {
            let mut log = self.log.lock().await;
            log.push(job);
            self.archive.send(job).await;
        }
    }

    async fn next(&self) -> Option<Job> {
        self.jobs.recv().await
    }
}

async fn watch(ctx: &Context, done: &Chan<u32>) {
    gmp::select! {
        _ = ctx.done() => {}
        n = done.recv() => println!("{n:?} done"),
    }
}

async fn both(a: &Chan<u32>, b: &Chan<u32>) {
    join!(async { a.recv().await }, send_all(b));
}

async fn send_all(b: &Chan<u32>) {
    b.send(1).await;
}

async fn tick() {
	/* a tab in front, and a long line: */ loop { if let Some(next) = schedule.lookup("the very long name of a job that nobody can remember") { gmp::time::sleep(next.due).await } else { break } }
}

pub async fn starts() {
    let (a, b) = (gmp::chan(0), gmp::chan(1));
    gmp::go(tick());
    gmp::go(async move {
        both(&a, &b).await;
    });
}

async fn ask(stream: TcpStream, server: &mut Child) {
    let mut answer = [0; 64];
    stream.read(&mut answer).await;
    server.wait().await;
}
