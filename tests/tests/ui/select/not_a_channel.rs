fn main() {
    gmp::block_on(async {
        let (tx, _rx) = gmp::channel::<u32>(0);
        gmp::select! {
            recv(tx) -> _ => {}
        }
    });
}
