fn main() {
    gmp::block_on(async {
        let ch = gmp::chan::<u32>(0);
        let _: u32 = gmp::select! {
            recv(ch) -> value => value.unwrap_or(0),
            default => "nothing",
        };
    });
}
