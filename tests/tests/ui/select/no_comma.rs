fn main() {
    gmp::block_on(async {
        let ch = gmp::chan::<u32>(0);
        gmp::select! {
            recv(ch) -> value => value
            default => None,
        };
    });
}
